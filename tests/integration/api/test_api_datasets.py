"""Datasets over HTTP, against a real API process, the real process that reads files, and a real store."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from hornbeam.jobs.identifiers import new_job_id
from hornbeam.jobs.record import NewJob
from hornbeam.testing.waiting import wait_until
from schemas.stored_datasets import BuiltinPage, Dataset, DatasetPage, RowPage, Statistics
from tests.integration.api.conftest import FLOWERS, Api, codes, digest, left_behind, running_api

SHA256 = hashlib.sha256(FLOWERS).hexdigest()


def bring(api: Api, name: str = "flowers.csv", content: bytes = FLOWERS, **query: str) -> Dataset:
    answer = api.http.post("/v1/datasets", params={"name": name, **query}, content=content)
    assert answer.status_code == 201, answer.text
    return Dataset.model_validate_json(answer.content)


class TestBringing:
    def test_a_file_becomes_a_dataset(self, empty_api):
        answer = empty_api.http.post(
            "/v1/datasets", params={"name": "flowers.csv", "metadata[team]": "vision"}, content=FLOWERS
        )
        assert answer.status_code == 201
        dataset = Dataset.model_validate_json(answer.content)
        assert answer.headers["location"] == f"/v1/datasets/{dataset.id}" == dataset.links["self"]
        assert (dataset.name, dataset.rows, dataset.size_bytes, dataset.sha256) == (
            "flowers.csv",
            60,
            len(FLOWERS),
            SHA256,
        )
        assert [column.name for column in dataset.columns] == ["length", "width", "kind"]
        assert dataset.metadata == {"team": "vision"}
        assert empty_api.http.get(answer.headers["location"]).json() == answer.json()

    def test_what_is_there_already_is_the_answer_to_a_put(self, empty_api):
        first = empty_api.http.put("/v1/datasets/flowers.csv", content=FLOWERS)
        assert first.status_code == 201
        again = empty_api.http.put("/v1/datasets/flowers.csv", content=FLOWERS)
        assert (again.status_code, again.json()) == (200, first.json())
        for path, content in (
            ("flowers.csv", FLOWERS + b"1,2,setosa\n"),
            ("other.csv", FLOWERS),
            ("flowers.csv?header=true", FLOWERS),
        ):
            other = empty_api.http.put(f"/v1/datasets/{path}", content=content)
            assert other.status_code == 201
            assert other.json()["id"] != first.json()["id"]

    def test_of_many_that_put_the_same_file_at_once_one_brings_it(self, empty_api):
        with ThreadPoolExecutor(4) as pool:
            put = lambda _: empty_api.http.put("/v1/datasets/flowers.csv", content=FLOWERS)  # noqa: E731
            answers = list(pool.map(put, range(4)))
        assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
        assert len({answer.json()["id"] for answer in answers}) == 1

    @pytest.mark.parametrize("last", [True, False])
    def test_a_form_with_its_fields_on_either_side_of_the_file(self, empty_api, last):
        file = ("file", ("C:\\data\\flowers.csv", FLOWERS, "text/csv"))
        fields = [("options", (None, '{"kinds": {"kind": "text"}}')), ("metadata", (None, '{"team": "vision"}'))]
        answer = empty_api.http.post("/v1/datasets", files=[*fields, file] if last else [file, *fields])
        assert answer.status_code == 201, answer.text
        dataset = Dataset.model_validate_json(answer.content)
        assert (dataset.name, dataset.sha256, dataset.metadata) == ("flowers.csv", SHA256, {"team": "vision"})
        assert dataset.columns[2].kind == "text"

    def test_single_parameters_stand_for_options(self, empty_api):
        content = b"1;2\n3;4\n5;6\n"
        dataset = bring(empty_api, "numbers.txt", content, format="csv", header="false", delimiter=";")
        assert (dataset.rows, len(dataset.columns)) == (3, 2)
        assert (dataset.options["header"], dataset.options["delimiter"]) == (False, ";")

    def test_the_same_bytes_are_stored_once(self, empty_api):
        first, second = bring(empty_api, "a.csv"), bring(empty_api, "b.csv")
        assert first.id != second.id
        stored = empty_api.artifacts.keys("datasets")
        assert [key.split("/")[1] for key in stored] == ["files", "tables"]
        assert stored[0] == f"datasets/files/{SHA256}"
        for dataset, left in ((first, stored), (second, [])):
            assert empty_api.http.delete(dataset.links["self"]).status_code == 204
            assert empty_api.artifacts.keys("datasets") == left
            assert empty_api.http.get(dataset.links["self"]).status_code == 404

    def test_the_same_bytes_come_and_go_at_once(self, empty_api):
        """Whatever the order: what is on record in the end can be downloaded."""

        def come_and_go(number: int) -> None:
            dataset = bring(empty_api, f"{number}.csv")
            if number % 2:
                assert empty_api.http.delete(dataset.links["self"]).status_code == 204

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(come_and_go, range(10)))
        rows = DatasetPage.model_validate_json(empty_api.http.get("/v1/datasets").content).data
        assert len(rows) == 5
        assert all(empty_api.http.get(row.links["content"]).content == FLOWERS for row in rows)


class TestKeeping:
    def test_what_nobody_names_is_swept_when_a_process_starts(self, tmp_path):
        with running_api() as api:
            (tmp_path / "x").write_bytes(FLOWERS)
            kept = bring(api)
            api.artifacts.put_file(f"datasets/files/{'ab' * 32}", tmp_path / "x")
            api.artifacts.put_file(f"datasets/tables/{'cd' * 32}.arrow", tmp_path / "x")
            api.artifacts.put_file("datasets/uploads/up_gone/1-ab", tmp_path / "x")
            stored = len(api.artifacts.keys("datasets"))
            with running_api(
                api.settings.database_url.get_secret_value(), HORNBEAM_ARTIFACT_URL=api.settings.artifact_url
            ):
                wait_until(lambda: len(api.artifacts.keys("datasets")) == stored - 3, what="a swept store")
            assert api.http.get(kept.links["content"]).content == FLOWERS


class TestReading:
    @pytest.fixture
    def dataset(self, empty_api):
        return bring(empty_api)

    def test_it_is_polled_with_its_etag(self, empty_api, dataset):
        first = empty_api.http.get(dataset.links["self"])
        again = empty_api.http.get(dataset.links["self"], headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        empty_api.http.patch(dataset.links["self"], json={"name": "b.csv"})
        changed = empty_api.http.get(dataset.links["self"], headers={"If-None-Match": first.headers["etag"]})
        assert (changed.status_code, changed.json()["name"]) == (200, "b.csv")

    def test_rows_and_statistics(self, empty_api, dataset):
        rows = RowPage.model_validate_json(empty_api.http.get(dataset.links["rows"], params={"limit": 2}).content)
        assert (rows.columns, len(rows.data), rows.has_more) == (["length", "width", "kind"], 2, True)
        assert rows.data[0] == [4.0, 2.5, "setosa"]
        last = empty_api.http.get(dataset.links["rows"], params={"limit": 100, "after": 58}).json()
        assert (len(last["data"]), last["has_more"]) == (2, False)
        assert empty_api.http.get(dataset.links["rows"], params={"after": 60}).json()["data"] == []
        told = Statistics.model_validate_json(empty_api.http.get(dataset.links["statistics"]).content)
        assert (told.rows, told.columns) == (60, dataset.columns)

    def test_the_file_is_downloaded_as_it_was_sent(self, empty_api, dataset):
        whole = empty_api.http.get(dataset.links["content"])
        assert (whole.content, whole.headers["etag"]) == (FLOWERS, f'"{SHA256}"')
        assert whole.headers["repr-digest"] == digest(FLOWERS)
        assert whole.headers["content-disposition"] == 'attachment; filename="flowers.csv"'
        part = empty_api.http.get(dataset.links["content"], headers={"Range": "bytes=5-9"})
        assert (part.status_code, part.content) == (206, FLOWERS[5:10])
        assert empty_api.http.head(dataset.links["content"]).headers["content-length"] == str(len(FLOWERS))

    def test_lists_have_pages_and_filters(self, empty_api):
        ids = [bring(empty_api, f"{n}.csv", **{"metadata[n]": str(n % 2)}).id for n in range(3)]
        page = DatasetPage.model_validate_json(empty_api.http.get("/v1/datasets?limit=2").content)
        assert ([row.id for row in page.data], page.has_more) == (ids[:0:-1], True)
        rest = empty_api.http.get("/v1/datasets", params={"limit": 2, "after": page.next}).json()
        assert ([row["id"] for row in rest["data"]], rest["has_more"]) == (ids[:1], False)
        odd = empty_api.http.get("/v1/datasets?metadata[n]=1").json()
        assert [row["id"] for row in odd["data"]] == [ids[1]]
        assert empty_api.http.get("/v1/datasets?order=asc").json()["data"][0]["id"] == ids[0]
        assert empty_api.http.get("/v1/datasets?after=junk").json()["code"] == "list.invalid_cursor"
        assert empty_api.http.get("/v1/datasets?limt=2").status_code == 422

    def test_the_services_own_datasets(self, empty_api):
        page = BuiltinPage.model_validate_json(empty_api.http.get("/v1/datasets/builtin").content)
        assert [row.name for row in page.data] == ["digits", "iris", "wine", "breast_cancer", "diabetes"]
        iris = page.data[1]
        assert (len(iris.columns), iris.source) == (5, {"builtin": "iris"})
        assert iris.columns[-1].classes == ["setosa", "versicolor", "virginica"]

    @pytest.mark.parametrize("path", ["", "/rows", "/statistics", "/content"])
    def test_an_unknown_id_is_not_found(self, empty_api, path):
        answer = empty_api.http.get(f"/v1/datasets/ds_unknown{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "dataset.not_found")


class TestChanging:
    def test_other_options_read_the_file_anew(self, empty_api):
        before = bring(empty_api)
        tables = empty_api.artifacts.keys("datasets/tables")
        answer = empty_api.http.patch(before.links["self"], json={"options": {"header": False}, "metadata": {"k": "v"}})
        assert answer.status_code == 200, answer.text
        after = Dataset.model_validate_json(answer.content)
        assert (after.id, after.rows, after.metadata) == (before.id, 61, {"k": "v"})
        assert empty_api.http.get(before.links["self"]).headers["etag"] == answer.headers["etag"]
        replaced = empty_api.artifacts.keys("datasets/tables")
        assert (len(replaced), set(replaced) & set(tables)) == (1, set())
        assert empty_api.http.get(before.links["rows"]).json()["data"][0] == ["length", "width", "kind"]

    def test_options_that_do_not_fit_change_nothing(self, empty_api):
        before = bring(empty_api)
        answer = empty_api.http.patch(before.links["self"], json={"options": {"kinds": {"kind": "number"}}})
        assert (answer.status_code, answer.json()["code"]) == (422, "dataset.invalid")
        assert Dataset.model_validate_json(empty_api.http.get(before.links["self"]).content) == before
        assert len(left_behind(empty_api)) == 2

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"nmae": "x"}, ("/nmae", "field.unknown")),
            ({"name": 1}, ("/name", "field.value")),
            ({"options": {"haeder": True}}, ("/options/haeder", "field.unknown")),
            ([], ("", "json.not_an_object")),
        ],
    )
    def test_a_change_is_checked(self, empty_api, change, expected):
        dataset = bring(empty_api)
        answer = empty_api.http.patch(dataset.links["self"], json=change)
        assert answer.status_code == 422
        assert codes(answer) == [expected]

    def test_what_a_live_job_uses_stays_as_it_is(self, empty_api):
        dataset = bring(empty_api)
        job = empty_api.store.create_job(NewJob(new_job_id(), {}, datetime.now(UTC), datasets=(dataset.id,)))
        for answer in (
            empty_api.http.delete(dataset.links["self"]),
            empty_api.http.patch(dataset.links["self"], json={"options": {"header": False}}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (409, "dataset.in_use")
            assert job.id in answer.json()["detail"]
        assert empty_api.http.patch(dataset.links["self"], json={"name": "b.csv"}).status_code == 200
        assert len(left_behind(empty_api)) == 2
        empty_api.store.request_cancel(job.id, "asked")
        assert empty_api.http.delete(dataset.links["self"]).status_code == 204
