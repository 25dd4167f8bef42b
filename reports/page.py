"""A record as the sections of a page: what each says, in the order it is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from audit.evidence import Record, Verdict
from reports import areas, crosswalk, front, methods, remedies, requirements, words
from reports.grids import Block

READERS = {"exec": "Executive", "reg": "Regulator", "eng": "Engineer"}


@dataclass(frozen=True)
class Section:
    """One section: its number, anchor, title, worst verdict, notes in the margin, readers and content."""

    id: str
    title: str
    readers: str
    template: str
    notes: tuple[str, ...] = ()
    verdict: Verdict | None = None
    content: Any = None
    blocks: tuple[Block, ...] = ()
    number: int = 0


def sections(record: Record) -> list[Section]:
    """Return every section that the record has something for, numbered, with figures numbered through."""
    judged = requirements.table(record)
    found = [
        Section(
            "findings",
            "Findings",
            "exec reg eng",
            "findings.html.j2",
            ("What stands between this model and a PASS, worst first.",),
            content=words.findings(record),
        ),
        Section(
            "not-measured",
            "Not measured",
            "exec reg eng",
            "pairs.html.j2",
            ("A report that is silent on these would read as reassurance.",),
            content=front.unmeasured(record),
        ),
        Section(
            "system",
            "System and intended use",
            "reg",
            "pairs.html.j2",
            ("As declared by the provider; only the digests are verified.",),
            content=methods.system(record),
        ),
        Section(
            "requirements",
            "Requirements",
            "reg eng",
            "area.html.j2",
            requirements.notes(record),
            words.overall(record),
            blocks=(judged,) if judged else (),
        ),
        *(_area(record, *area) for area in areas.SECTIONS if areas.results(record, area[0])),
        *_remedies(record),
        *_crosswalk(record),
        Section(
            "methods",
            "Why these measures",
            "reg eng",
            "methods.html.j2",
            ("What each number is, how its interval is made, and what a verdict means.",),
            content=methods.small_groups(record.policy.minimum_group_share),
            blocks=(Block("Table", "What was measured, and how.", "", methods.measures(record)),),
        ),
        Section(
            "reproduce",
            "How to reproduce",
            "reg eng",
            "reproduce.html.j2",
            ("This page is rebuilt byte for byte from the record, without JAX.",),
            content=methods.reproduce(record),
        ),
        Section(
            "attestation",
            "Attestation",
            "exec reg",
            "attestation.html.j2",
            ("To be signed by hand or with a key. Unsigned, this report attests nothing.",),
        ),
    ]
    return _numbered(found)


def _remedies(record: Record) -> list[Section]:
    """Return the section of remedies tried, where there is one."""
    if not record.remedies:
        return []
    shown, drawn = remedies.content(record)
    return [
        Section(
            "remedies",
            "Remedies tried",
            "exec reg eng",
            "remedies.html.j2",
            remedies.NOTES,
            content=shown,
            blocks=drawn,
        )
    ]


def _crosswalk(record: Record) -> list[Section]:
    """Return the section of laws and standards, where the policy maps any."""
    drawn = crosswalk.blocks(record)
    if not drawn:
        return []
    verdict = crosswalk.worst(record)
    return [Section("crosswalk", "Crosswalk", "reg", "area.html.j2", crosswalk.NOTES, verdict, blocks=drawn)]


def _numbered(found: list[Section]) -> list[Section]:
    """Return the sections with their numbers and those of their figures and tables."""
    counts = {"Figure": 0, "Table": 0}
    done = []
    for i, section in enumerate(found, start=1):
        shown = []
        for block in section.blocks:
            counts[block.kind] += 1
            shown.append(replace(block, number=counts[block.kind]))
        done.append(replace(section, number=i, blocks=tuple(shown)))
    return done


def _area(record: Record, area: str, title: str, readers: str) -> Section:
    """Return an area's section."""
    blocking = [d for d in front.of_area(record, area) if d.rule.severity == "blocking"]
    return Section(
        "groups" if area == "fairness" else area,
        title,
        readers,
        "area.html.j2",
        areas.notes(record, area),
        words.worst(blocking),
        areas.runs(record, area),
        areas.figures(record, area),
    )
