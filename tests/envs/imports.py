"""Run every import of the scripts that are named, and of the library behind them, wherever it
stands in the code.

For an environment's own `python -I`, with the folder of the library and then the scripts: prints
one line for each import that fails.
"""

import ast
import sys
from pathlib import Path

folder, *scripts = sys.argv[1:]
sys.path.insert(0, folder)
waiting = [Path(script) for script in scripts]
seen = set()
while waiting:
    path = waiting.pop()
    seen.add(path)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            try:
                exec(ast.unparse(node), {})
            except ImportError as error:
                print(f"{path.name}: {ast.unparse(node)}: {error}")
    library = [module for name, module in sys.modules.items() if name.startswith("denoising.")]
    waiting = [*{*waiting, *(Path(module.__file__) for module in library)} - seen]
