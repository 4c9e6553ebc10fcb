# Needs: resources/ alone. Makes: the tables and figures of the published study's own records. A study
# without a `published` test set has none, and no such target.

if published_names(TABLES):

    rule published:
        """The published study by its own records: seconds, and no training."""
        input:
            expand(
                "results/tables/{name}.{kind}",
                name=published_names(TABLES),
                kind=["csv", "md"],
            ),
            expand(
                "results/figures/{name}.{kind}",
                name=published_names(FIGURES),
                kind=["pdf", "png", "txt"],
            ),
