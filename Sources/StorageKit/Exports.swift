@_exported public import DiskImages
@_exported public import StorageBase
