"""Pictures of a drive as a video: MP4 where ffmpeg is, else GIF."""

import shutil
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from PIL import Image

from lib.common.errors import DataError
from lib.common.reading import read_bytes

MAX_PICTURE_BYTES: Final = 100_000_000


def write_video(pictures: Sequence[Path], stem: Path, frames_per_second: float) -> Path:
    """Write PNG files of one size, with even sides, as `stem`.mp4 or, without ffmpeg, as `stem`.gif.

    Returns the video's path. Raises DataError if ffmpeg fails.
    """
    ffmpeg = find_ffmpeg()
    if ffmpeg is None:
        return _write_gif(pictures, stem.with_name(f"{stem.name}.gif"), frames_per_second)
    video = stem.with_name(f"{stem.name}.mp4")
    rate = f"{frames_per_second:g}"
    reads = ["-f", "image2pipe", "-c:v", "png", "-framerate", rate, "-i", "-"]
    writes = ["-pix_fmt", "yuv420p", "-movflags", "+faststart", "-y", str(video)]
    command = [ffmpeg, "-nostdin", "-loglevel", "error", *reads, *writes]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # noqa: S603
        assert process.stdin is not None and process.stderr is not None
        try:
            for picture in pictures:
                process.stdin.write(read_bytes(picture, MAX_PICTURE_BYTES))
            process.stdin.close()
        except BrokenPipeError:
            pass  # what stopped it stands in its messages
        problem = process.stderr.read().decode(errors="replace")
    if process.returncode:
        raise DataError(f"{video}: {ffmpeg} failed ({' '.join(problem.split())[:300]}); use --no-video")
    return video


def find_ffmpeg() -> str | None:
    """The program ffmpeg: the system's, or that of the package imageio-ffmpeg (extra `video`); None without."""
    found = shutil.which("ffmpeg")
    if found is None and find_spec("imageio_ffmpeg"):
        import imageio_ffmpeg

        found = imageio_ffmpeg.get_ffmpeg_exe()
    return found


def _write_gif(pictures: Sequence[Path], path: Path, frames_per_second: float) -> Path:
    """Write a GIF, one picture in memory at a time."""

    def read(picture: Path) -> Image.Image:
        with Image.open(picture) as image:
            return image.convert("RGB").quantize(128)

    rest = (read(picture) for picture in pictures[1:])
    duration_ms = min(max(round(1000 / frames_per_second), 20), 10_000)  # what viewers can show
    read(pictures[0]).save(path, save_all=True, append_images=rest, duration=duration_ms, loop=0)
    return path
