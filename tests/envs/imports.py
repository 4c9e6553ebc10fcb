"""Run every import of the scripts that are named, and of the library's modules behind them, wherever it stands in the code.

For an environment's own `python -I`: prints one line for each import that fails.
"""

import ast
import sys
from pathlib import Path


def run_imports(path, package, seen):
    seen.add(path)
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        try:
            exec(ast.unparse(node), {})
        except ImportError as error:
            print(f"{path.name}: {ast.unparse(node)}: {error}")
    behind = {Path(module.__file__) for name, module in list(sys.modules.items()) if name.startswith(f"{package.name}.")}
    for module in behind - seen:
        run_imports(module, package, seen)


scripts = [Path(argument) for argument in sys.argv[1:]]
sys.path.insert(0, str(scripts[0].parent))
seen = set()
for script in scripts:
    run_imports(script, scripts[0].parent / "denoising", seen)
