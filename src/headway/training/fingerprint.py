"""`python FILE CONFIG`: what the data of a frozen config is now, as JSON on the last line of standard output.

Run as a file, in a process of its own: it imports Headway from wherever a worker would, so that the data is prepared by
the code that will train on it, and the supervisor stays light.
"""

import json
import sys
from pathlib import Path


def main(config: Path) -> None:
    """{"fingerprint"}, or {"problems"}: a line for each fault of config, data or model."""
    from headway.config.freeze import thaw
    from headway.errors import HeadwayError
    from headway.training.preflight import preflight

    try:
        answer = {"fingerprint": preflight(thaw(config))["data"]["fingerprint"]}
    except HeadwayError as error:
        answer = {"problems": getattr(error, "problems", None) or [str(error)]}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
