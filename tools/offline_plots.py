"""Write the HTML template of `dvc plots show` and `dvc plots diff` with Vega included, so that it needs no network."""

import argparse
from pathlib import Path

import vl_convert

from lib.common.errors import run_stage
from lib.common.outputs import write_text

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{refresh_tag}
<title>DVC plots</title>
<style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 1.5rem; color: #222; background: #fff; }
main { display: flex; flex-wrap: wrap; gap: 1.5rem 2rem; align-items: flex-start; }
main > div { max-width: 100%; }
main > .vega-embed { overflow-x: auto; }
main > div[style] { border: 1px solid #ddd !important; padding: 0 0.5rem 0.5rem; white-space: normal !important; }
main > div[style] > div { border: none !important; margin: 0 0.25rem !important; }
img { max-width: 100%; height: auto; }
table { border-spacing: 12px; }
</style>
<script>
%s
</script>
</head>
<body>
<main>
{plot_divs}
</main>
</body>
</html>
"""
VEGA_LITE_VERSION = "5.21"  # DVC's templates are written for Vega-Lite 5


def offline_page() -> str:
    """Return the template, with DVC's placeholders `{plot_divs}` and `{refresh_tag}` and the code of Vega-Embed."""
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE_VERSION)
    assert not any(text in bundle for text in ("{plot_divs}", "{refresh_tag}", "{scripts}", "</script"))
    return PAGE.replace("%s", bundle)


def main() -> None:
    """Write the template atomically."""
    parser = argparse.ArgumentParser(prog="python -m tools.offline_plots", description=__doc__)
    parser.add_argument("page", type=Path, metavar="PAGE.html", help="file to write")
    write_text(parser.parse_args().page, offline_page())


if __name__ == "__main__":
    run_stage(main)
