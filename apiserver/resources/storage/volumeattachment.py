"""VolumeAttachments under REST: `/status` writes the status alone.

Source: pkg/registry/storage/volumeattachment/strategy.go (1.36).
"""

from apiserver.rest.strategy import Strategy


class VolumeAttachmentStrategy(Strategy):
    counts_generation = False
    status_metadata = ()
