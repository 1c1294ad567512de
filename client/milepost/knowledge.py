"""What can be asked about the files of knowledge stores."""

from collections.abc import Generator, Iterable

import httpx

from milepost import file_requests
from milepost.conversations import Pace
from milepost.exchanges import Exchange
from milepost.file_requests import StatusesById
from milepost.paths import status_path
from milepost.waiting import wait
from milepost.watching import watch
from milepost_schemas.document import Status
from milepost_schemas.http import FileDetails, FileList, FileLog, ProcessingStatus, StorageUsage


class Knowledge:
    """The files of knowledge stores."""

    def __init__(self, client: httpx.Client, pace: Pace) -> None:
        self._client = client
        self._pace = pace

    def get_processing_status(
        self, *, organization_id: str, store_id: str, file_id: str
    ) -> ProcessingStatus:
        """Where the processing of a file stands now.

        A service that is not ready, too busy or not reachable is asked again, at most twice.

        Raises:
            InvalidIdentifierError: an id that nothing can have.
            NotFoundError: there is no such file in that store.
            ApiError: any other error that the service answers, by type and code.
            UnreachableError: no answer.
            UnexpectedAnswerError: an answer that is not the service's.
        """
        conversation = file_requests.get_status(
            self._pace, organization_id=organization_id, store_id=store_id, file_id=file_id
        )
        return Exchange(self._client).carry_out(conversation)

    def wait_until_processed(
        self, *, organization_id: str, store_id: str, file_id: str, timeout_s: float
    ) -> ProcessingStatus:
        """Wait until the file is completed or failed, and return that status.

        The service holds each request for up to 30 seconds; one that does not is polled, with
        pauses that grow while nothing happens.

        Raises:
            WaitTimeoutError: neither within `timeout_s` seconds; carries the last status.
            NotFoundError: there is no such file in that store.
            ApiError: any other error that a pause does not help.
            InvalidIdentifierError: an id that nothing can have.
            UnexpectedAnswerError: an answer that is not the service's.
        """
        path = status_path(organization_id=organization_id, store_id=store_id, file_id=file_id)
        return Exchange(self._client).carry_out(wait(path, timeout_s, self._pace))

    def watch(
        self, *, organization_id: str, store_id: str, file_id: str, timeout_s: float
    ) -> Generator[ProcessingStatus, None, None]:
        """What the status is, then each one that differs, up to `completed` or `failed`.

        They come over a stream that is connected again when it breaks, or by waiting where the
        service has none. Of statuses that follow each other quickly the older ones may be left out.

        Raises:
            WaitTimeoutError: neither within `timeout_s` seconds, which may be `math.inf`.
            MilepostError: as `wait_until_processed`.
        """
        path = status_path(organization_id=organization_id, store_id=store_id, file_id=file_id)
        return Exchange(self._client).listen(watch(path, timeout_s, self._pace))

    def get_processing_statuses(
        self, *, organization_id: str, store_id: str, file_ids: Iterable[str]
    ) -> StatusesById:
        """Where the processing of many files of a store stands, up to 500 in one request.

        By file id, in the order they were asked for; None stands for a file that is not there.

        Raises:
            MilepostError: as `get_processing_status`, but a file that is not there is no error.
        """
        conversation = file_requests.get_statuses(
            self._pace, organization_id=organization_id, store_id=store_id, file_ids=file_ids
        )
        return Exchange(self._client).carry_out(conversation)

    def list_files(  # noqa: PLR0913  as many as the interface has
        self,
        *,
        organization_id: str,
        store_id: str,
        status: Status | None = None,
        search: str | None = None,
        skip: int = 0,
        limit: int = 20,
    ) -> FileList:
        """A page of a store's files, newest first.

        Args:
            organization_id: The organization, which must be the key's.
            store_id: The store.
            status: Only files whose newest attempt is there.
            search: Only files with this in their names, whatever the case.
            skip: How many files to leave out.
            limit: How many files to answer, 1 to 100.

        Raises:
            MilepostError: as `get_processing_status`.
        """
        conversation = file_requests.list_files(
            self._pace,
            organization_id=organization_id,
            store_id=store_id,
            status=status,
            search=search,
            skip=skip,
            limit=limit,
        )
        return Exchange(self._client).carry_out(conversation)

    def get_file(self, *, organization_id: str, store_id: str, file_id: str) -> FileDetails:
        """Name, size, type, status and times of a file.

        Raises:
            MilepostError: as `get_processing_status`.
        """
        conversation = file_requests.get_file(
            self._pace, organization_id=organization_id, store_id=store_id, file_id=file_id
        )
        return Exchange(self._client).carry_out(conversation)

    def get_file_logs(self, *, organization_id: str, store_id: str, file_id: str) -> FileLog:
        """The newest lines of a file's processing log, at most 200, the oldest first.

        Raises:
            MilepostError: as `get_processing_status`.
        """
        conversation = file_requests.get_file_logs(
            self._pace, organization_id=organization_id, store_id=store_id, file_id=file_id
        )
        return Exchange(self._client).carry_out(conversation)

    def get_usage(self, *, organization_id: str) -> StorageUsage:
        """How many files an organization stores, and how many bytes, in all and by store.

        Raises:
            MilepostError: as `get_processing_status`.
        """
        conversation = file_requests.get_usage(self._pace, organization_id=organization_id)
        return Exchange(self._client).carry_out(conversation)
