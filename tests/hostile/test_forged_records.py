"""The table of forged records: `pytest -s` prints what each reader says of each, with its exit code."""

from __future__ import annotations

from cases_record import BARE, FORGERIES, READERS, bare, copied


def test_the_table_of_forged_records(tmp_path):
    lines = []
    for i, forgery in enumerate(FORGERIES):
        folder = tmp_path / str(i)
        folder.mkdir()
        run, good = copied("bad", folder), copied("good", folder, "good")
        forgery.forge(run)
        lines.append((forgery.name, {name: read(run, good) for name, read in READERS.items()}))
    (tmp_path / "alone").mkdir()
    alone, good = bare(tmp_path / "alone"), copied("good", tmp_path / "alone", "good")
    lines.append(("a bare record that passes", {name: read(alone, good) for name, read in READERS.items()}))
    for name, told in lines:
        print(f"\n{name}")
        for reader, (code, text) in told.items():
            print(f"  {reader:8} {code}  {' '.join(text.split())[:150]}")
    assert len(lines) >= 13 and len(BARE) > 0
    assert all(told[reader][0] != 0 for _, told in lines for reader in ("gate", "compare", "verify"))
