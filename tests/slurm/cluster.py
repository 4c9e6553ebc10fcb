"""A Slurm of three nodes on one machine, for tests: a munged, a slurmctld and a slurmd a node,
ended by their ids.

Each node says that it has 32 CPUs, 48 GB and a GPU, the third two, which are /dev/null and
/dev/zero, and has reservations of its own, as machines do. Partitions: `main` has all nodes, `gpu` only
the first, and so has `urgent`, whose jobs preempt others; `pair` has the third. There is no
accounting; Slurm's records are those of its controller and a text file of completed jobs.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol")
ETC = Path(
    "/etc/slurm"
)  # the one place where a job's own `srun` looks: the plugin hides SLURM_CONF from it
FILES = ("slurm.conf", "gres.conf")
MARK = "slurm-of-tests"
NODES = ("n1", "n2", "n3")
SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
# A job that is requeued waits for as long as its credentials last
AuthInfo=socket={root}/munge.socket,cred_expire=10
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd.%n.log
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool.%n
ProctrackType=proctrack/linuxproc
SwitchType=switch/none
TaskPlugin=task/none
MpiDefault=none
MailProg=/bin/true
ReturnToService=2
SlurmdParameters=config_overrides
SlurmdTimeout=10
JobRequeue=0
KillWait=15
MinJobAge=3600
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
JobCompType=jobcomp/filetxt
JobCompLoc={root}/completed.txt
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
TaskProlog={root}/prolog
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=32 RealMemory=48000 Gres=gpu:a100:1
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=32 RealMemory=48000 Gres=gpu:a100:1
NodeName=n3 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[3]} CPUs=32 RealMemory=48000 Gres=gpu:a100:2
PartitionName=main Nodes=ALL Default=YES MaxTime=2-00:00:00
PartitionName=gpu Nodes=n1 MaxTime=2-00:00:00
PartitionName=pair Nodes=n3 MaxTime=2-00:00:00
PartitionName=urgent Nodes=n1 MaxTime=2-00:00:00 PriorityTier=2 PreemptMode=OFF
"""
GRES_CONF = """\
NodeName=n[1-3] Name=gpu Type=a100 File=/dev/null
NodeName=n3 Name=gpu Type=a100 File=/dev/zero
"""
PROLOG = (  # of every task
    '#!/bin/sh\necho "export DENOISING_LEASES={root}/leases.$SLURMD_NODENAME"\n'
)


def obstacle():
    """Why there can be no Slurm of its own on this machine; None where there can."""
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        return f"no {', '.join(missing)}: apt-get install slurmctld slurmd slurm-client munge"
    if os.geteuid() != 0:
        return "slurmd needs root"
    for name in FILES:
        if (ETC / name).exists() and not is_of_tests(ETC / name):
            return f"this machine has a Slurm of its own: {ETC / name}"
        if running := controller((ETC / name).resolve().parent):
            return f"a Slurm of these tests runs already: process {running}"
    return None


def is_of_tests(path):
    """Whether the file of Slurm's is a link to one that these tests have made."""
    return path.is_symlink() and (path.resolve().parent / MARK).exists()


def controller(folder):
    """The process of the slurmctld of this folder, if it runs."""
    said = folder / "slurmctld.pid"
    process = int(said.read_text()) if said.exists() else 0
    return process if "slurmctld" in of_process(process, "cmdline") else None


class Cluster:
    """A Slurm whose files are all in `root`, but for links to two of them in /etc/slurm."""

    def __init__(self, root):
        self.root = root
        names = {
            "root": root,
            "host": socket.gethostname().split(".")[0],
            "ports": free_ports(1 + len(NODES)),
        }
        (root / "slurm.conf").write_text(SLURM_CONF.format(**names))
        (root / "gres.conf").write_text(GRES_CONF)
        (root / "prolog").write_text(PROLOG.format(root=root))
        (root / "prolog").chmod(0o755)
        (root / MARK).touch()
        (root / "munge.key").write_bytes(os.urandom(1024))
        (root / "munge.key").chmod(0o400)
        for folder in ("state", *(f"spool.{node}" for node in NODES)):
            (root / folder).mkdir()

    def start(self):
        ETC.mkdir(exist_ok=True)
        for name in FILES:
            (ETC / name).unlink(missing_ok=True)  # a link that killed tests have left
            (ETC / name).symlink_to(self.root / name)
        files = {
            "key-file": "key",
            "socket": "socket",
            "pid-file": "pid",
            "log-file": "log",
            "seed-file": "seed",
        }
        said(
            "munged",
            "--force",
            *(f"--{option}={self.root}/munge.{end}" for option, end in files.items()),
        )
        said("slurmctld", "-i")
        for node in NODES:
            self.start_node(node)
        until(lambda: self.idle() == set(NODES), 60)

    def start_node(self, node):
        said("slurmd", "-N", node)

    def stop(self):
        """End the jobs, then what there is of the daemons."""
        subprocess.run(["scancel", "--full", "--user=root"], capture_output=True)
        subprocess.run(
            ["timeout", "60", "sh", "-c", "while squeue --noheader | grep -q .; do sleep 0.2; done"]
        )
        for daemon in [*(f"slurmd.{node}" for node in NODES), "slurmctld", "munge"]:
            if (self.root / f"{daemon}.pid").exists():
                end(self.process(daemon))
        for name in FILES:
            (ETC / name).unlink(missing_ok=True)

    def process(self, daemon):
        return int((self.root / f"{daemon}.pid").read_text())

    def lose(self, node):
        """End a node as when its power fails: its slurmd, what watches its jobs, and its jobs,
        without a word.
        """
        jobs = [
            each
            for each in processes()
            if f"SLURMD_NODENAME={node}" in of_process(each, "environ").split("\0")
        ]
        watching = {
            step
            for job in jobs
            for step in ancestors(job)
            if "slurmstepd" in of_process(step, "cmdline")
        }
        for process in (self.process(f"slurmd.{node}"), *watching, *jobs):
            with suppress(ProcessLookupError):  # some end with the one before
                os.kill(process, signal.SIGKILL)

    def idle(self):
        """Names of the nodes that wait for jobs; none while the controller does not answer."""
        command = ["sinfo", "--noheader", "--Node", "--states=idle", "--format=%N"]
        return set(subprocess.run(command, text=True, capture_output=True).stdout.split())

    def jobs(self, run):
        """Every job of a run of Snakemake in this folder, by Slurm's id, as the controller
        remembers it.
        """
        rows = map(fields, said("scontrol", "--oneliner", "show", "job").splitlines())
        return {row["JobId"]: row for row in rows if row.get("WorkDir") == str(run)}

    def trainings(self, run):
        """Those of the jobs that train."""
        return {
            job: row
            for job, row in self.jobs(run).items()
            if row["Comment"].startswith("rule_train")
        }

    def ended(self, run):
        """Whether no job of the run waits, runs or is about to end."""
        return {row["JobState"] for row in self.jobs(run).values()} <= {
            "COMPLETED",
            "FAILED",
            "CANCELLED",
            "TIMEOUT",
        }

    def completed(self, jobs):
        """(start, end, state, node) of each time that one of the jobs ran, from the file of
        completed jobs.
        """
        found = []
        for line in (self.root / "completed.txt").read_text().splitlines():
            row = fields(line)
            if row["JobId"] in jobs:
                times = (datetime.fromisoformat(row[f"{each}Time"]) for each in ("Start", "End"))
                found.append((*times, row["JobState"], row["NodeList"]))
        return sorted(found)


def fields(line):
    """A record of Slurm's, `Name=value Name=value ...`."""
    return dict(re.findall(r"(\S+?)=(\S*)", line))


def said(*command):
    done = subprocess.run(command, text=True, capture_output=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def until(true, seconds):
    """Wait until it is true."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, true
        time.sleep(0.1)
    return found


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def processes():
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def of_process(process, what):
    """A file of /proc; empty where the process has ended."""
    try:
        return Path(f"/proc/{process}/{what}").read_text(errors="replace")
    except OSError:
        return ""


def end(process):
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGTERM)
    # Nobody may be there to bury it
    until(
        lambda: re.search("^State:\\s+Z", status := of_process(process, "status"), re.M)
        or not status,
        60,
    )


def ancestors(process):
    """The process's parent, its parent, and so on."""
    found = []
    while parent := re.search(r"^PPid:\s+([1-9]\d*)", of_process(process, "status"), re.M):
        process = int(parent.group(1))
        found.append(process)
    return found
