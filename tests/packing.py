"""Archives of given content, and the content of folders."""

import io
import tarfile
import zipfile


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if not p.is_dir()}


def pack(path, content, compression=zipfile.ZIP_DEFLATED):
    """Write an archive of the kind that its name says: {name: bytes, or a tarfile.TarInfo, or a zipfile.ZipInfo}."""
    if path.name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", compression) as file:
            for name, value in content.items():
                file.writestr(*(value, "") if isinstance(value, zipfile.ZipInfo) else (name, value))
        return path
    with tarfile.open(path, "w:gz") as file:
        for name, value in content.items():
            info = value if isinstance(value, tarfile.TarInfo) else tarfile.TarInfo(name)
            data = b"" if isinstance(value, tarfile.TarInfo) else value
            if not isinstance(value, tarfile.TarInfo):
                info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path
