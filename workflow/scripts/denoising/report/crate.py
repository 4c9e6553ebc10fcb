"""The results as an RO-Crate: `ro-crate-metadata.json` says of each file what made it, from what.

Profile Provenance Run Crate 0.5. The workflow is `code/Snakefile`, a copy of the code that stands
in the crate; a rule is a tool and a step of it. Each job is a `CreateAction` of its rule, with its
files as `object` and `result`. Files and folders of the results have sizes and checksums; those of
a folder are of all files in it. What lies elsewhere, such as a user's own images, and what was
removed after use are no parts of the crate, but named in it.
"""

import mimetypes
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rocrate.model import ContextEntity, Entity
from rocrate.rocrate import ROCrate

from denoising.running.jobs import Job
from denoising.running.verification import content_of

CONTEXT = "https://w3id.org/ro/terms/workflow-run/context"
BUILD = {"buildInstructions": "https://codemeta.github.io/terms/buildInstructions"}
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
CONDA = "https://docs.conda.io/projects/conda/en/latest/user-guide/tasks/manage-environments.html"
COMPLETED = "http://schema.org/CompletedActionStatus"
NO_LICENCE = "None is given by the workflow. Whoever publishes these results gives them one."
RESULTS = "results/"
CODE = "code/"
# What the copy of the code consists of, and the study's config beside it
COPIED = ("Snakefile", "CITATION.cff", "LICENSE", "workflow", "config", "envs", "resources")


@dataclass(frozen=True)
class Rule:
    """A rule: what it does, the names of its conda environment and of the file it stands in."""

    text: str
    environment: str
    file: str


@dataclass(frozen=True)
class Run:
    """A finished study: title and note, the record of provenance.json, its jobs by their start,
    the workflow's rules by name, and the files that were asked for.
    """

    title: str
    note: str
    record: Mapping[str, Any]
    jobs: Sequence[Job]
    rules: Mapping[str, Rule]
    results: Sequence[str]


def known_checksums(
    record: Mapping[str, Any], patches: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """Checksums of large files, recorded when the files were made or looked at, by their paths.

    Parameters
    ----------
    record : mapping
        Of provenance.json.
    patches : mapping
        For each dataset with patches the checksums of X and Y in its patches.json.
    """
    known: dict[str, str] = {}
    for name, entry in record["inputs"].items():
        if entry.get("sha256"):
            archive = f"{RESULTS}archives/{name}.tar.gz"
            known |= {archive: entry["sha256"], entry["source"]: entry["sha256"]}
        known |= {file: one["sha256"] for file, one in entry.get("files", {}).items()}
    for name, checksums in patches.items():
        known |= {f"{RESULTS}patches/{name}/{array}.npy": checksums[array] for array in checksums}
    return known


def write_crate(run: Run, root: Path, known: Mapping[str, str]) -> None:
    """Write `ro-crate-metadata.json`; the files that it describes stay where they are.

    Parameters
    ----------
    run : Run
        Paths of its jobs begin with `results/` if they lie in `root`.
    root : Path
        The folder of the results, with the copy of the code in `code/`.
    known : mapping of str to str
        Checksums that need not be computed again, by path.
    """
    writer = _Writer(root, known)
    crate = writer.crate
    workflow = writer.workflow(run)
    tools = {name: writer.tool(name, run, workflow) for name in _used(run.jobs)}
    jobs = {job.name: writer.job(job, tools[job.rule]) for job in run.jobs}
    made = {output for job in run.jobs for output in job.outputs}
    sources = {name for job in run.jobs for name in job.inputs if name not in made}
    first = min((job.start for job in run.jobs), default=None)
    last = max((job.end for job in run.jobs), default=None)
    whole = writer.add(
        "#run",
        "CreateAction",
        name=f"Run of the study: {run.title}",
        description=f"Python {run.record['python']} on {run.record['platform']}, "
        f"{run.record['processor']}",
        instrument=workflow,
        object=[
            writer.data(f"{RESULTS}config.yaml"),
            *(writer.data(name) for name in sorted(sources)),
            *(writer.seed(name, seed) for name, seed in run.record["seeds"].items()),
        ],
        result=[writer.data(name) for name in run.results],
        **_times(first, last),
    )
    steps = [
        writer.add(
            f"#step/{quote(job.name)}",
            "ControlAction",
            name=f"Step {job.name}",
            instrument=crate.get(_step_id(job.rule)),
            object=jobs[job.name],
            actionStatus=COMPLETED,
        )
        for job in run.jobs
    ]
    engine = writer.package("snakemake", run.record)
    writer.add(
        "#engine",
        "OrganizeAction",
        name="Run of Snakemake",
        instrument=engine,
        object=steps,
        result=whole,
        **_times(first, last),
    )
    root_entity = crate.root_dataset
    writer.data(f"{RESULTS}README.md")["about"] = root_entity
    root_entity["name"] = run.title
    root_entity["description"] = run.note or f"Results of the study: {run.title}"
    root_entity["license"] = NO_LICENCE
    root_entity["conformsTo"] = [
        writer.add(profile, "CreativeWork", name=name, version=profile.rsplit("/")[-1])
        for profile, name in PROFILES.items()
    ]
    root_entity["mentions"] = [whole, *jobs.values()]
    if last:
        root_entity["datePublished"] = last.isoformat(timespec="seconds")
    crate.metadata.write(root)


def _used(jobs: Iterable[Job]) -> list[str]:
    return list(dict.fromkeys(job.rule for job in jobs))


def _step_id(rule: str) -> str:
    return f"{CODE}Snakefile#{rule}"


def _times(start: Any, end: Any) -> dict[str, str]:
    times = {"startTime": start, "endTime": end}
    return {"actionStatus": COMPLETED} | {
        name: time.isoformat(timespec="seconds") for name, time in times.items() if time
    }


class _Writer:
    """Adds entities to a crate, each once."""

    def __init__(self, root: Path, known: Mapping[str, str]) -> None:
        self.crate = ROCrate()
        self.crate.metadata.extra_contexts.append(CONTEXT)
        self.crate.metadata.extra_terms |= BUILD
        self.root = root
        self.known = known
        self.added: dict[str, Entity] = {}

    def add(self, id_: str, type_: str, **properties: Any) -> Entity:
        """An entity that is no file of the crate."""
        entity = ContextEntity(self.crate, id_, properties={"@type": type_})
        for name, value in properties.items():
            # As the specification wants it: no empty lists, and no lists of one
            if value not in ("", []):
                is_single = isinstance(value, list) and len(value) == 1
                entity[name] = value[0] if is_single else value
        return self.crate.add(entity)

    def workflow(self, run: Run) -> Entity:
        """The Snakefile, with the code, its environments and the packages in them."""
        commit = run.record["commit"]
        changes = ", with uncommitted changes" if run.record["uncommitted_changes"] else ""
        packages = run.record["packages"]
        self.data(f"{RESULTS}{CODE}")
        self.add(CONDA, "WebPage", name="Conda environment file")
        for environment in sorted({rule.environment for rule in run.rules.values()} - {""}):
            entity = self.data(f"{RESULTS}{CODE}envs/{environment}")
            entity["encodingFormat"] = "application/yaml"
            entity["conformsTo"] = self.crate.get(CONDA)
        workflow = self.crate.add_workflow(
            dest_path=f"{CODE}Snakefile",
            main=True,
            lang="snakemake",
            lang_version=packages["snakemake"]["pinned"],
            properties={
                "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
                "name": "Content-aware denoising",
                "version": commit + changes,
                "encodingFormat": "text/plain",
            },
        )
        workflow["license"] = "https://spdx.org/licenses/MIT"
        workflow["softwareRequirements"] = [self.package(name, run.record) for name in packages]
        self.added[f"{RESULTS}{CODE}Snakefile"] = workflow
        return workflow

    def package(self, name: str, record: Mapping[str, Any]) -> Entity:
        """A package, in the version that was installed where the record was made, else its pin."""
        versions = record["packages"][name]
        here = versions["installed_here"]
        version = versions["pinned"] if here == "not installed" else here
        return self.add(
            f"#package/{name}", "SoftwareApplication", name=name, softwareVersion=version
        )

    def tool(self, name: str, run: Run, workflow: Entity) -> Entity:
        """A rule, as the tool that a step of the workflow runs."""
        rule = run.rules.get(name, Rule("", "", "Snakefile"))
        tool = self.add(
            f"{CODE}workflow/rules/{rule.file}#{name}",
            "SoftwareApplication",
            name=name,
            description=rule.text,
            softwareVersion=run.record["commit"],
        )
        step = self.add(_step_id(name), "HowToStep", name=name, workExample=tool)
        if rule.environment:
            step["buildInstructions"] = self.data(f"{RESULTS}{CODE}envs/{rule.environment}")
        workflow.append_to("hasPart", tool)
        workflow.append_to("step", step)
        return tool

    def job(self, job: Job, tool: Entity) -> Entity:
        """One run of a rule."""
        return self.add(
            f"#job/{quote(job.name)}",
            "CreateAction",
            name=job.name,
            description="; ".join(job.settings) or "no settings",
            instrument=tool,
            object=[self.data(name) for name in job.inputs],
            result=[self.data(name) for name in job.outputs],
            **_times(job.start, job.end),
        )

    def seed(self, name: str, seed: int) -> Entity:
        return self.add(f"#seed/{quote(name)}", "PropertyValue", name=f"seed of {name}", value=seed)

    def data(self, name: str) -> Entity:
        """A file or folder by its path."""
        if name not in self.added:
            self.added[name] = self._new_data(name)
        return self.added[name]

    def _shipped(self, parts: Sequence[str]) -> str | None:
        """The copy of a file of the workflow itself, whose path is absolute; None of another."""
        for start, part in enumerate(parts):
            copy = Path(CODE, *parts[start:])
            if parts[0] == "/" and part in COPIED and (self.root / copy).is_file():
                return str(copy)
        return None

    def _new_data(self, name: str) -> Entity:
        inside = name.startswith(RESULTS)
        shipped = None if inside else self._shipped(Path(name).parts)
        if shipped:
            return self.data(f"{RESULTS}{shipped}")
        within = name.removeprefix(RESULTS)
        path = self.root / within if inside else Path(name)
        content = content_of(path, self.known.get(name))
        properties: dict[str, Any] = {"name": within if inside else name}
        if content:
            properties |= {"contentSize": str(content.bytes), "sha256": content.sha256}
        if content and inside and path.is_dir():
            return self.crate.add_dataset(dest_path=within, properties=properties)
        if content and inside:
            format_ = mimetypes.guess_type(within)[0] or "application/octet-stream"
            properties["encodingFormat"] = format_
            return self.crate.add_file(dest_path=within, properties=properties)
        where = "lies outside of the results" if content else "was removed, or is not at hand"
        return self.add(f"#{quote(within)}", "CreativeWork", description=where, **properties)
