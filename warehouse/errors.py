"""What can go wrong in the warehouse, as one tree.

WarehouseError                 exit code 1
├── CorruptPartition           a published file's bytes, rows or manifest do not agree
├── CheckFailed                what was computed fails a check, so it was not published
├── NoSpace                    the disk is full, read-only or not ours to write
├── WriterBusy                 another process holds the catalog's writer lock
├── StoreUnavailable           exit code 2: the bucket of the home does not answer, is not there or is not ours
├── UnreadableCatalog          exit code 2: the catalog's file is damaged, or DuckDB's format of a newer version
├── InvalidName                exit code 2: a payload, coordinate or file name that cannot name a partition
├── NotPublished               exit code 2: what was never computed cannot be read
└── QueryRefused               exit code 2: SQL that does not parse, writes or reaches outside

Every message names the value, the place and the fix.
"""


class WarehouseError(Exception):
    exit_code = 1


class CorruptPartition(WarehouseError): ...


class CheckFailed(WarehouseError):
    def __init__(self, message: str, key: str) -> None:
        super().__init__(message)
        self.key = key
        """Of the rejected partition."""


class NoSpace(WarehouseError): ...


class WriterBusy(WarehouseError): ...


class StoreUnavailable(WarehouseError):
    exit_code = 2


class UnreadableCatalog(WarehouseError):
    exit_code = 2


class InvalidName(WarehouseError):
    exit_code = 2


class NotPublished(WarehouseError):
    exit_code = 2


class QueryRefused(WarehouseError):
    exit_code = 2
