"""A stand-in for conda, where no channel is at hand: an environment's pins are installed by pip.

It knows the commands that Snakemake 9 gives, and no others. What the pins bring along has the
versions of the lock. Of Python it takes the release that is asked for where there is one, whatever
its patches, else the one it runs in.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).parent
LOCK = HERE.parents[1] / "envs" / "lock.txt"
PIP_NAMES = {"matplotlib-base": "matplotlib"}


def main(arguments):
    match arguments:
        case ["--version"]:
            print("conda 24.7.1")
        case ["info", "--json"]:
            print(
                json.dumps(
                    {
                        "conda_prefix": str(Path(shutil.which("conda")).parents[1]),
                        "platform": "linux-64",
                    }
                )
            )
        case ["config", "--get", "channel_priority", "--json"]:
            print(json.dumps({"get": {"channel_priority": "strict"}}))
        case [
            "env",
            "create",
            "--quiet",
            "--no-default-packages",
            "--file",
            file,
            "--prefix",
            prefix,
        ]:
            create(Path(file), Path(prefix))
        case ["clean", "-y", "--tarballs"]:
            pass
        case _:
            sys.exit(f"The stand-in for conda does not know: conda {' '.join(arguments)}")


def create(file, prefix):
    """An environment without pip, as conda's are without what they do not list."""
    pins = dict(entry.split("=") for entry in yaml.safe_load(file.read_text())["dependencies"])
    subprocess.run([python(pins.pop("python")), "-m", "venv", "--without-pip", prefix], check=True)
    constraints = prefix.with_suffix(".constraints.txt")
    constraints.write_text("\n".join(re.findall(r"^\w.*==[^\\\n]*", LOCK.read_text(), re.M)))
    # Bytecode is written for what is imported, as it is imported: all of TensorFlow's would take
    # longer
    into = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        prefix / "bin" / "python",
        "install",
        "-qq",
        "--no-compile",
    ]
    wanted = [f"{PIP_NAMES.get(package, package)}=={version}" for package, version in pins.items()]
    subprocess.run([*into, "--constraint", constraints, *wanted], check=True)
    packages = next(prefix.glob("lib/python*/site-packages"))
    shutil.copy(HERE / "borrowed.py", packages)
    (packages / "borrowed.pth").write_text("import borrowed\n")


def python(version):
    """The Python of this release, or this one."""
    found = shutil.which(f"python{version.rpartition('.')[0]}")
    works = (
        found and subprocess.run([found, "-m", "venv", "-h"], capture_output=True).returncode == 0
    )
    return found if works else sys.executable


if __name__ == "__main__":
    main(sys.argv[1:])
