"""The facts about data sets are whole: places, licences, hashes, pinned revisions."""

import pytest

from churnsaver_assets.data.load import SOURCES
from churnsaver_assets.data.sources.registry_tables import CSV_LAYOUTS, TABLE_SOURCES
from churnsaver_assets.data.sources.source import Source


@pytest.mark.parametrize("source", SOURCES.values(), ids=list(SOURCES))
def test_every_source_has_a_place_a_licence_and_whole_hashes(source: Source) -> None:
    assert SOURCES[source.name] is source
    assert source.licence
    assert source.citation
    assert source.mirror or source.remote
    for part in filter(None, (source.mirror, source.remote)):
        assert part.files
        assert part.rows[0] <= part.rows[1]
        for file in part.files:
            for digest in (file.sha256, file.unpacked_sha256):
                assert digest is None or len(bytes.fromhex(digest)) == 32
    for file in source.mirror.files if source.mirror else ():
        assert file.sha256
    for file in source.remote.files if source.remote else ():
        assert file.at.startswith(("https://", "http://www.minethatdata.com/"))
        assert "/main/" not in file.at


def test_every_table_is_one_file_pinned_by_its_content_and_its_columns() -> None:
    for name, source in TABLE_SOURCES.items():
        assert source.csv is CSV_LAYOUTS[name]
        assert source.mirror is not None
        assert source.remote is not None
        (local,), (remote,) = source.mirror.files, source.remote.files
        assert local.sha256 == remote.sha256
        assert local.line_end == remote.line_end
        assert source.mirror.rows == source.remote.rows
        for digest in source.csv.columns.values():
            assert len(bytes.fromhex(digest)) == 4
