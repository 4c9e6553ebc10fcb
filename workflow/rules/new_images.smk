# Needs: a model folder, of this study or made elsewhere, and images. Makes: their restorations. A study
# that has no `restore` has no target `restored`.


rule restore_images:
    """Restore new images with a network, each of them once.

    The restorations are no outputs, because Snakemake would remove all of them before it
    restores one that is new. Images that were restored alike before are left as they are.
    """
    input:
        images=new_images,
        models=models_for_new_images,
        template=template("viewer.html"),
    output:
        table="results/new_images.csv",
    log:
        "logs/restore_images.log",
    benchmark:
        "benchmarks/restore_images.tsv"
    conda:
        "../../envs/care.yaml"
    threads: STUDY.compute.threads
    resources:
        gpu=gpus,
        mem_mb=growing(8000),
    params:
        wish=STUDY.restore and dict(vars(STUDY.restore)),
        folders=lambda wildcards: folders_for_new_images(),
        device=untracked(STUDY.device),
        memory_growth=untracked(STUDY.compute.memory_growth),
        max_tile_voxels=untracked(STUDY.restoration.max_tile_voxels),
        code=code_version("restore_images.py"),
    script:
        "../scripts/restore_images.py"


if STUDY.restore:

    rule restored:
        """New images, restored."""
        input:
            "results/new_images.csv",
