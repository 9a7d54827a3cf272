"""What may be named as a source: hosts and buckets that are listed, whatever else a URL tries to look like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hornbeam.errors import InvalidDataset, SourceNotAllowed
from hornbeam.settings import Settings
from service.sources.places import BucketFile, Listed, WebFile

LISTED = Listed(
    ["data.example.org", "*.files.example.org", "odd.example.org:8443", "*.odd.example.org:8443"],
    ["open-data", "shared/for/us"],
)


class TestHosts:
    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("https://data.example.org/a/x.csv", WebFile("data.example.org", 443, "/a/x.csv")),
            ("HTTPS://DATA.Example.ORG/X.csv", WebFile("data.example.org", 443, "/X.csv")),
            ("https://data.example.org:443/x", WebFile("data.example.org", 443, "/x")),
            ("https://data.example.org", WebFile("data.example.org", 443, "/")),
            ("https://data.example.org?a=b", WebFile("data.example.org", 443, "/?a=b")),
            ("https://data.example.org/x?a=/b@c#d", WebFile("data.example.org", 443, "/x?a=/b@c")),
            ("https://data.example.org//evil.org/x", WebFile("data.example.org", 443, "//evil.org/x")),
            ("https://data.example.org/%2e%2E/x", WebFile("data.example.org", 443, "/%2e%2E/x")),
            ("https://a.files.example.org/x", WebFile("a.files.example.org", 443, "/x")),
            ("https://a.b.files.example.org/x", WebFile("a.b.files.example.org", 443, "/x")),
            ("https://odd.example.org:8443/x", WebFile("odd.example.org", 8443, "/x")),
            ("https://a.odd.example.org:8443/x", WebFile("a.odd.example.org", 8443, "/x")),
        ],
    )
    def test_what_is_listed(self, url, expected):
        assert LISTED.place(url) == expected

    @pytest.mark.parametrize(
        "url",
        [
            "https://example.org/x",
            "https://evil.org/data.example.org",
            "https://evil.org?data.example.org",
            "https://evil.org#data.example.org",
            "https://data.example.org.evil.org/x",
            "https://xdata.example.org/x",
            "https://a.data.example.org/x",
            "https://files.example.org/x",
            "https://xfiles.example.org/x",
            "https://data.example.org:8443/x",
            "https://odd.example.org/x",
            "https://localhost/x",
            "https://xn--dta-qla.example.org/x",
        ],
    )
    def test_what_is_not(self, url):
        with pytest.raises(SourceNotAllowed) as caught:
            LISTED.place(url)
        assert "HORNBEAM_SOURCE_HOSTS" in caught.value.suggestion

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "data.example.org/x",
            "//data.example.org/x",
            "http://data.example.org/x",
            "ftp://data.example.org/x",
            "file:///etc/passwd",
            "https:data.example.org/x",
            "https:/data.example.org/x",
            "https:///x",
            " https://data.example.org/x",
            "https://data.example.org/x ",
            "https://data.example.org@evil.org/x",
            "https://evil.org@data.example.org/x",
            "https://user:password@data.example.org/x",
            "https://@data.example.org/x",
            "https://data.example.org\\@evil.org/x",
            "https://evil.org\\.data.example.org/x",
            "https://data.example.org./x",
            "https://.data.example.org/x",
            "https://data..example.org/x",
            "https://-a.files.example.org/x",
            "https://data.example.org:/x",
            "https://data.example.org:0/x",
            "https://data.example.org:0443/x",
            "https://data.example.org:65536/x",
            "https://data.example.org:443:443/x",
            "https://data.example.org:٤٤٣/x",
            "https://data%2eexample.org/x",
            "https://data.example%00.org/x",
            "https://dätä.example.org/x",
            "https://data。example。org/x",
            "https://\uff44ata.example.org/x",
            "https://data.exa\u00admple.org/x",
            "https://data.example.org\n/x",
            "https://data.exa\tmple.org/x",
            "https://data.example.org/x\r\nHost: evil.org",
            "https://data.example.org/a b",
            "https://data.example.org/ä",
            "https://data.example.org/%",
            "https://data.example.org/%zz",
            'https://data.example.org/"',
            "https://data.example.org\x00/",
            f"https://{'a' * 64}.files.example.org/x",
            f"https://{'a.' * 120}files.example.org/x",
            # Addresses, in every notation that some library takes for one.
            "https://127.0.0.1/x",
            "https://127.1/x",
            "https://2130706433/x",
            "https://0x7f000001/x",
            "https://0x7f.0.0.0x1/x",
            "https://0177.0.0.1/x",
            "https://0/x",
            "https://0x/x",
            "https://①②⑦.0.0.1/x",
            "https://[::1]/x",
            "https://[::ffff:127.0.0.1]/x",
            "https://[fe80::1%25eth0]/x",
            "https://::1/x",
        ],
    )
    def test_what_is_no_such_url(self, url):
        with pytest.raises(InvalidDataset) as caught:
            LISTED.place(url)
        assert [(found.pointer, found.code) for found in caught.value.findings] == [("/url", "field.value")]

    @given(st.text(max_size=40), st.text(max_size=40))
    def test_nothing_around_a_listed_name_leads_elsewhere(self, before, after):
        for url in (f"https://{before}data.example.org{after}", f"https://data.example.org{before}@{after}"):
            try:
                place = LISTED.place(url)
            except (InvalidDataset, SourceNotAllowed):
                continue
            assert isinstance(place, WebFile)
            assert place.host in {"data.example.org"} or place.host.endswith((".files.example.org", ".odd.example.org"))
            assert place.target.isascii()
            assert place.target.isprintable()
            assert " " not in place.target

    @pytest.mark.parametrize(
        ("url", "name"),
        [
            ("https://data.example.org/a/x.csv?y=/z", "x.csv"),
            ("https://data.example.org/a%20b.csv", "a b.csv"),
            ("https://data.example.org/a%2Fb.csv", "b.csv"),
            ("https://data.example.org/", ""),
            ("s3://open-data/a/x.csv", "x.csv"),
        ],
    )
    def test_the_files_name(self, url, name):
        assert LISTED.place(url).file_name == name


class TestBuckets:
    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("s3://open-data/x.csv", BucketFile("open-data", "x.csv")),
            ("S3://open-data/a b/%20#ü.csv", BucketFile("open-data", "a b/%20#ü.csv")),
            ("s3://shared/for/us/x.csv", BucketFile("shared", "for/us/x.csv")),
        ],
    )
    def test_what_is_listed(self, url, expected):
        assert LISTED.place(url) == expected

    @pytest.mark.parametrize(
        "url",
        [
            "s3://other/x.csv",
            "s3://open-data2/x.csv",
            "s3://shared/x.csv",
            "s3://shared/for/use/x.csv",
            "s3://shared/for/us",
        ],
    )
    def test_what_is_not(self, url):
        with pytest.raises(SourceNotAllowed) as caught:
            LISTED.place(url)
        assert "HORNBEAM_SOURCE_BUCKETS" in caught.value.suggestion

    @pytest.mark.parametrize(
        "url",
        [
            "s3://",
            "s3://open-data",
            "s3://open-data/",
            "s3://open-data//x",
            "s3://open-data/x/",
            "s3://open-data/../other/x",
            "s3://shared/for/us/../../x",
            "s3://open-data/./x",
            "s3://open-data/*.csv",
            "s3://open-data/x?versionId=1",
            "s3://open-data/[ab].csv",
            "s3://open-data/a\\b",
            "s3://open-data/a\nb",
            "s3://Open-data/x",
            "s3://key:secret@open-data/x",
            "s3://arn:aws:s3:us-east-1:1:accesspoint/x",
            "s3://open-data/\ud800",
            f"s3://open-data/{'ä' * 600}",
        ],
    )
    def test_what_is_no_key(self, url):
        with pytest.raises(InvalidDataset):
            LISTED.place(url)


@pytest.mark.parametrize("url", ["https://data.example.org/x", "s3://open-data/x"])
def test_it_is_off_where_nothing_is_listed(url):
    with pytest.raises(SourceNotAllowed, match="off"):
        Listed([], []).place(url)


class TestSettings:
    def test_they_are_lists_with_commas(self, monkeypatch):
        monkeypatch.setenv("HORNBEAM_SOURCE_HOSTS", "Data.example.org, *.Example.org:8443,intranet,")
        monkeypatch.setenv("HORNBEAM_SOURCE_BUCKETS", "open-data,shared/for/us/")
        settings = Settings()
        assert settings.source_hosts == ("data.example.org", "*.example.org:8443", "intranet")
        assert settings.source_buckets == ("open-data", "shared/for/us")

    def test_they_are_off_at_first(self):
        assert (Settings().source_hosts, Settings().source_buckets) == ((), ())

    @pytest.mark.parametrize(
        "wrong",
        [
            "*",
            "*.org",
            "a.*.org",
            "*a.example.org",
            "https://example.org",
            "example.org/x",
            "example.org.",
            "example.org:0",
            "example.org:65536",
            "127.0.0.1",
            "10.0.0.0x1",
            "[::1]",
            "::1",
            "bücher.example.org",
            "a b.example.org",
            "me@example.org",
        ],
    )
    def test_a_host_that_is_none(self, wrong):
        with pytest.raises(ValidationError):
            Settings(source_hosts=("example.org", wrong))

    @pytest.mark.parametrize("wrong", ["s3://bucket", "a", "Bucket", "bucket//a", "bucket/../a", "bucket/.", "/a", "*"])
    def test_a_bucket_that_is_none(self, wrong):
        with pytest.raises(ValidationError):
            Settings(source_buckets=(wrong,))
