"""Is this picture a copy of that one? One engine for audits, `check`, `duplicates` and `cliques`.

Read `verdict` first; then, in the order of the work, `candidates` (which references are worth a look), `prepared`,
`places`, `alignment`, `windows` and `evidence`; last `changes` and `picture`, which say and show what was found.
"""
