#!/usr/bin/env python3
"""Races this project against what people would run instead: same work, same threads, in turns.

    race.py BENCHMARKS ASSETS [--works REGEX] [--threads 2] [--rounds 7] [--seconds 3] [--out FILE.json]
    race.py ... --cost                 cost against length, sequences and layers in place of the table
    race.py ... --models FILE...       cost of these models (GGUF) against their parameters and against length
    race.py --table FILE.json          the Markdown table of a finished race; of --models with the slopes
    race.py --plot FILE.json OUT.svg   the curves of a finished --cost

A work is one line of the table: a Google Benchmark of ours, and peers (peers/*.py) that do the same. Every contender
is a process of its own, so that its peak memory is its own too. Peers stay alive, warm and idle between their turns;
ours is started anew each turn. The order rotates from round to round, so that a machine whose speed drifts is fair to
all: rates are medians over rounds, ratios are medians of the ratios within rounds. A peer that is not installed is
left out, and the table says so. BENCHMARKS is the folder of the built benchmarks, ASSETS what
set-up fetched; the peers are those of the interpreter that runs this (peers/requirements.txt). `scripts/bench race`
builds and calls it.
"""

import argparse
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PEERS = Path(__file__).parent / "peers"


@dataclass(frozen=True)
class Work:
    name: str
    ours: str  # PROGRAM/BENCHMARK
    peers: dict  # shown name -> script and arguments
    target: str = ""
    unit: str = "tokens/s"
    tokens: int = 0
    curve: tuple = ()  # (axis, place on it) where it is a point of a curve
    model: str = ""  # the path of another model than SmolLM2


LAYERS = 30  # of SmolLM2-135M


def column_statistics(sequences, length, target="", layers=LAYERS, curve=()):
    shape = f"{sequences}x{length}x{layers}"
    peers = {
        "PyTorch SDPA, nothing observed": f"transformers_forward.py sdpa {shape}",
        "transformers eager": f"transformers_forward.py statistics {shape}",
    }
    if not curve:  # it takes a minute to start, at every point
        peers["TransformerLens"] = f"transformer_lens_forward.py statistics {shape}"
    return Work(
        f"column statistics of {layers} layers, {sequences} x {length}",
        f"observation_bench/observed_forward/{sequences}/{length}/{layers}",
        peers,
        target,
        tokens=sequences * length,
        curve=curve,
    )


def training_step(shape):
    return Work(
        f"training step, {shape}",
        f"training_bench/training_step/{shape}/baseline",
        {"PyTorch eager": f"pytorch_training.py eager {shape}", "torch.compile": f"pytorch_training.py compiled {shape}"},
        "≥ 1.3 x eager, ≥ 1.0 x compiled",
    )


WORKS = [
    column_statistics(1, 2048, "≥ 1 / 1.15 of SDPA, ≤ 1.2 GB"),
    column_statistics(4, 256, "≥ 1 / 1.1 of SDPA, ≤ 1.0 GB"),
    Work(
        "forward, 1 x 1024",
        "observation_bench/plain_forward/1/1024/30",
        {
            "PyTorch SDPA": "transformers_forward.py sdpa 1x1024x30",
            "TransformerLens": "transformer_lens_forward.py forward 1x1024x30",
            "llama.cpp, Q4_1": "llama_cpp_forward.py 1024",
        },
        "≥ 1.1 x SDPA",
    ),
    training_step("1.3M"),
    training_step("10M"),
    Work("tokenise English prose", "reading_bench/tokenize", {"tokenizers": "tokenizers_encode.py"}, "", "MB/s"),
]


COST = [
    *(column_statistics(1, n, curve=("tokens of one sequence", n)) for n in (128, 256, 512, 1024, 2048)),
    *(column_statistics(n, 256, curve=("sequences of 256 tokens", n)) for n in (1, 2, 4, 8)),
    *(column_statistics(1, 512, layers=n, curve=("layers, 512 tokens", n)) for n in (5, 10, 20, 30)),
]


ALL = 0  # layers
LENGTHS = (128, 256, 512, 1024)
MOST_BYTES_OF_A_PEER = 1_000_000_000  # of a file that is quantised: `transformers` needs 8 times as much for float32


def models_works(files):
    """Every model at every length, one sequence, all layers."""
    for file in map(Path, files):
        for length in LENGTHS:
            peers = {"transformers eager": f"transformers_forward.py statistics 1x{length}x{ALL}"}
            yield Work(f"{file.stem}, 1 x {length}", f"observation_bench/observed_forward/1/{length}/{ALL}",
                       peers if file.stat().st_size < MOST_BYTES_OF_A_PEER else {}, tokens=length, model=str(file.resolve()))


class Ours:
    """One Google Benchmark a turn."""

    def __init__(self, work, arguments):
        program, name = work.ours.split("/", 1)
        self.command = [str(Path(arguments.benchmarks) / program), f"--benchmark_filter=^{re.escape(name)}(/real_time)?$",
                        "--benchmark_format=json"]
        self.scale = 1e6 if work.unit == "MB/s" else 1
        self.version = ""

    def turn(self, seconds):
        process = subprocess.Popen([*self.command, f"--benchmark_min_time={seconds}"], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        if status != 0:
            sys.exit(f"{' '.join(self.command)}: failed")
        found = json.loads(output)["benchmarks"][0]
        rate = found.get("items_per_second") or found["bytes_per_second"]
        return rate / self.scale, usage.ru_maxrss / 1024

    def close(self):
        pass


class Peer:
    """A worker of peers/: says what it is when it is warm, then answers each number of seconds with a rate and its peak."""

    def __init__(self, command, arguments):
        script, *rest = command.split()
        self.process = subprocess.Popen([sys.executable, str(PEERS / script), arguments.assets, *rest], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        greeting = self.process.stdout.readline()
        if not greeting:
            raise ImportError(self.process.stderr.read().strip().splitlines()[-1])
        self.version = json.loads(greeting)["version"]

    def turn(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["rate"], answer["peak_mb"]

    def close(self):
        self.process.stdin.close()
        self.process.stderr.close()
        self.process.wait()


def contenders(work, arguments):
    """-> ({name: contender}, {name: why it is not there})"""
    os.environ.pop("REPLICATE_BENCH_MODEL", None)
    if work.model:
        os.environ["REPLICATE_BENCH_MODEL"] = work.model
    there, missing = {"ours": Ours(work, arguments)}, {}
    for name, command in work.peers.items():
        try:
            there[name] = Peer(command, arguments)
        except ImportError as error:
            missing[name] = str(error)
    return there, missing


def race(work, arguments):
    runners, missing = contenders(work, arguments)
    names = list(runners)
    rates, peaks = {name: [] for name in names}, {name: 0 for name in names}
    for turn in range(arguments.rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            rate, peak = runners[name].turn(arguments.seconds)
            rates[name].append(rate)
            peaks[name] = max(peaks[name], peak)
    for runner in runners.values():
        runner.close()
    return {"work": work.name, "unit": work.unit, "target": work.target, "rounds": rates, "peak_mb": peaks, "missing": missing,
            "versions": {name: runner.version for name, runner in runners.items() if runner.version},
            "commands": {"ours": work.ours, **work.peers}, "tokens": work.tokens, "curve": work.curve,
            **({"model": {"file": Path(work.model).name, "bytes": Path(work.model).stat().st_size,
                          "parameters": parameters_of(work.model)}} if work.model else {})}


def parameters_of(file):
    from gguf import GGUFReader

    return int(sum(tensor.n_elements for tensor in GGUFReader(file).tensors))


def ratios(result, name):
    """Ours over theirs, a value for each round."""
    return [ours / theirs for ours, theirs in zip(result["rounds"]["ours"], result["rounds"][name])]


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(results):
    lines = ["| work | contender | rate | peak memory | ours is faster by |", "|---|---|--:|--:|--:|"]
    for result in results:
        for name, rates in result["rounds"].items():
            title = result["work"] if name == "ours" else ""
            against = "" if name == "ours" else ratio_text(ratios(result, name))
            shown = "**replicate**" if name == "ours" else name
            lines.append(f"| {title} | {shown} | {number(statistics.median(rates))} {result['unit']} | "
                         f"{number(result['peak_mb'][name])} MB | {against} |")
    return "\n".join(lines)


def slope(points):
    """Of log seconds over log x, by least squares: 1 where twice as much takes twice as long."""
    logs = [(math.log(x), math.log(seconds)) for x, seconds in points]
    x_mean, y_mean = (statistics.fmean(values) for values in zip(*logs))
    return sum((x - x_mean) * (y - y_mean) for x, y in logs) / sum((x - x_mean) ** 2 for x, _ in logs)


def models_table(results):
    """A row per model and length, then the slopes."""
    lines = ["| model | parameters | file | tokens | seconds | peak memory | transformers eager | its memory |", "|---|--:|--:|--:|--:|--:|--:|--:|"]
    for result in results:
        model, peer = result["model"], "transformers eager" if "transformers eager" in result["rounds"] else None
        cells = [model["file"].removesuffix(".gguf"), f"{model['parameters'] / 1e6:,.0f} M", f"{model['bytes'] / 1e6:,.0f} MB", str(result["tokens"]),
                 number(value(result, "ours", "seconds")), f"{number(result['peak_mb']['ours'])} MB",
                 number(value(result, peer, "seconds")) if peer else "", f"{number(result['peak_mb'][peer])} MB" if peer else ""]
        lines.append("| " + " | ".join(cells) + " |")
    seconds = {(result["model"]["file"], result["tokens"]): value(result, "ours", "seconds") for result in results}
    parameters = {result["model"]["file"]: result["model"]["parameters"] for result in results}
    if len(parameters) > 1:
        for length in sorted({tokens for _, tokens in seconds}):
            points = [(count, seconds[file, length]) for file, count in parameters.items() if (file, length) in seconds]
            if len(points) > 1:
                lines.append(f"\nSlope against parameters at {length} tokens: {slope(points):.2f}")
    for file in parameters:
        points = [(tokens, value) for (of, tokens), value in seconds.items() if of == file]
        if len(points) > 1:
            lines.append(f"\nSlope against length, {file}: {slope(points):.2f}")
    return "\n".join(lines)


COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe and Ito's, told apart by the colour-blind too


def plot(results, target):
    """Seconds and peak memory of one pass against each axis."""
    axes = list(dict.fromkeys(result["curve"][0] for result in results))
    names = list(dict.fromkeys(name for result in results for name in result["rounds"]))
    blocks, panels = [], []
    for quantity, label in (("seconds", "seconds a pass"), ("peak_mb", "peak memory, MB")):
        for axis in axes:
            points = [result for result in results if result["curve"][0] == axis]
            curves = []
            for name, colour in zip(names, COLOURS):
                block = f"$data{len(blocks)}"
                values = [f"{result['curve'][1]} {value(result, name, quantity)}" for result in points if name in result["rounds"]]
                blocks.append("\n".join([f"{block} << END", *values, "END"]))
                shown = "replicate" if name == "ours" else name
                curves.append(f"{block} using 1:2 with linespoints lw 2 pt 7 ps 0.6 lc rgb '{colour}' title '{shown}'")
            places = [result["curve"][1] for result in points]
            key = "set key top left Left reverse samplen 2" if len(panels) + 1 == len(axes) else "unset key"  # where there is room
            panels.append(f"set xlabel '{axis}'; set ylabel '{label}'; set xtics ({', '.join(map(str, places))})\n"
                          f"set xrange [{0.9 * min(places)}:{1.1 * max(places)}]; {key}\nplot " + ", ".join(curves))
    lines = ["set terminal svg size 1080,640 font 'sans,12' background 'white'", f"set output '{target}'", *blocks,
             f"set multiplot layout 2,{len(axes)}", "set logscale x 2", "set logscale y 10", "set grid lc rgb '#dddddd'",
             "set border 3", "set tics nomirror", *panels]
    subprocess.run(["gnuplot"], input="\n".join(lines), text=True, check=True)


def value(result, name, quantity):
    if quantity == "peak_mb":
        return result["peak_mb"][name]
    return result["tokens"] / statistics.median(result["rounds"][name])


def ratio_text(values):
    return f"{statistics.median(values):.2f} x ({min(values):.2f} to {max(values):.2f})"


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("benchmarks", nargs="?", help="folder of the built benchmarks")
    parser.add_argument("assets", nargs="?", help="what set-up fetched")
    parser.add_argument("--works", default="", help="regular expression")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--out")
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--models", nargs="+", metavar="FILE.gguf")
    parser.add_argument("--table", metavar="FILE.json")
    parser.add_argument("--plot", nargs=2, metavar=("FILE.json", "OUT.svg"))
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    if arguments.table:
        works = json.loads(Path(arguments.table).read_text())["works"]
        print(models_table(works) if "model" in works[0] else table(works))
        return
    if arguments.plot:
        plot(json.loads(Path(arguments.plot[0]).read_text())["works"], arguments.plot[1])
        return
    if not arguments.benchmarks or not arguments.assets:
        sys.exit("race.py: which benchmarks, which assets? (--help)")
    # OpenMP's wait policy is the default, as everybody runs: threads of an idle contender spin some milliseconds, then sleep.
    os.environ.update(OMP_NUM_THREADS=str(arguments.threads), MKL_NUM_THREADS=str(arguments.threads),
                      HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    results = []
    for work in models_works(arguments.models) if arguments.models else COST if arguments.cost else WORKS:
        if not re.search(arguments.works, work.name):
            continue
        results.append(race(work, arguments))
        print(table(results[-1:]), flush=True)
        for name, why in results[-1]["missing"].items():
            print(f"{name}: left out ({why})", file=sys.stderr)
        if arguments.out:  # after every work: a long race may be cut off
            race_of = {"processor": processor(), "threads": arguments.threads, "rounds": arguments.rounds, "works": results}
            Path(arguments.out).write_text(json.dumps(race_of, indent=1) + "\n")


if __name__ == "__main__":
    main()
