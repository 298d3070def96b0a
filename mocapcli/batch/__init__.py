"""Many pieces of work by many workers, each done once.

`items` says what a piece is and what became of it, `run` hands them out, retries and sums up, `engines` names who can
work (`local` processes, `cluster` for ray), `journal` remembers what is finished, `shard` takes one job's part,
`naming` turns videos and rigs into outputs, `report` tells people. Nothing here knows what the work is, and all of
it is free of heavy imports.
"""

from mocapcli.batch.items import Item, Outcome, Summary, digest_of
from mocapcli.batch.run import run_batch
from mocapcli.batch.shard import Shard, parse_shard

__all__ = ["Item", "Outcome", "Shard", "Summary", "digest_of", "parse_shard", "run_batch"]
