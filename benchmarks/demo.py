"""How long the demo takes, where its audit spends the time, and how fast help answers.

Run: python benchmarks/demo.py [runs]. Nothing is compared with a rival here: the floor is the time inside the model's
forward passes, measured with hooks in the same process, and the table says how much comes on top of it.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        helps = [timed([sys.executable, "-m", "copyrisk", "--help"])[0] for _ in range(10)]
        print(f"copyrisk --help: median {statistics.median(helps):.3f} s of {len(helps)}, slowest {max(helps):.3f} s")
        demos = []
        for number in range(runs):
            seconds, output = timed([sys.executable, "-m", "copyrisk", "demo", "--out", str(folder / f"demo{number}")])
            demos.append(seconds)
        print(f"copyrisk demo: {', '.join(f'{seconds:.1f}' for seconds in demos)} s")
        print(output)
        manifest = json.loads((folder / "demo0" / "run" / "manifest.json").read_text())
        print("seconds a stage:", {name: record["seconds"] for name, record in manifest["stages"].items()})
        whole, forward = audit_in_process(folder / "demo0" / "testbed", folder / "audit")
        print(
            f"audit alone, imports included: {whole:.1f} s, of which {forward:.1f} s in forward passes; "
            f"{100 * (1 - forward / whole):.0f} % outside"
        )


def timed(command: list[str]) -> tuple[float, str]:
    start = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return time.perf_counter() - start, done.stdout


def audit_in_process(testbed: Path, out: Path) -> tuple[float, float]:
    """Audit as the demo does; return all seconds and those inside the network's forward passes."""
    code = f"""
import time; start = time.perf_counter()
import torch
from torch.nn.modules import module
spent, began = 0.0, 0.0
def before(network, _):
    global began
    if type(network).__name__ == "Denoiser": began = time.perf_counter()
def after(network, *_):
    global spent
    if type(network).__name__ == "Denoiser": spent += time.perf_counter() - began
module.register_module_forward_pre_hook(before); module.register_module_forward_hook(after)
from copyrisk.testbed import Testbed
from copyrisk.testbed.demo import audit_testbed
from pathlib import Path
audit_testbed(Testbed(Path({str(testbed)!r}), 32), Path({str(out)!r}), 0)
print(time.perf_counter() - start, spent)
"""
    whole, spent = map(float, timed([sys.executable, "-c", code])[1].split())
    return whole, spent


if __name__ == "__main__":
    main()
