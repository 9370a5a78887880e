"""What kind of storage holds a directory of this machine, as far as the kernel tells."""

import os
from pathlib import Path

SSD, HDD = "ssd", "hdd"
STORAGES = (SSD, HDD)


def storage_of(directory: str) -> tuple[str | None, str]:
    """The kind, or None and why it is not known.

    The kernel takes virtual disks for turning ones, so only what does not turn is believed.
    """
    ask = "--storage ssd or hdd"
    if not directory:
        return None, f"the server does not say where its data is (GRANT pg_read_all_settings): {ask}"
    try:
        device = Path(directory).stat().st_dev
    except OSError as error:
        return None, f"{directory} cannot be looked at ({error.strerror}): {ask}"
    node = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    for folder in (node, node.resolve().parent):
        try:
            turns = (folder / "queue/rotational").read_text().strip()
        except OSError:
            continue
        if turns == "0":
            return SSD, ""
        return None, f"the kernel says that the disk of {directory} turns, as it says of virtual disks: {ask}"
    return None, f"the kernel does not tell on what disk {directory} is: {ask}"
