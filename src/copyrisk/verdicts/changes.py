"""What was done to a reference on its way into a picture, in words."""

import numpy as np

from copyrisk.verdicts.verdict import Evidence

SCALED, TURNED, CONTRAST, BRIGHTENED = 0.05, 2.0, 0.15, 0.08
"""Changes that are said: of the size, of the angle (degrees), of contrast (its logarithm), of brightness (0 to 1)."""


def changes_of(evidence: Evidence) -> str:
    """Say what was done to a reference: `mirrored, turned by 12°, enlarged 1.3 ×, recoloured`; '' where nothing was."""
    alignment = evidence.alignment
    if alignment is None:
        return ""
    words = ["mirrored"] if alignment.mirrored else []
    if abs(alignment.angle) > TURNED:
        words.append(f"turned by {alignment.angle:.0f}°")
    # How much larger the copied part is in the picture than in the reference, both taken as equally high.
    factor = alignment.scale
    if abs(factor - 1) > SCALED:
        words.append(f"{'enlarged' if factor > 1 else 'made smaller'} {factor:.2g} ×")
    gain, offset = np.array(alignment.gain), np.array(alignment.offset)
    if np.abs(np.log(gain)).max() > CONTRAST or np.abs(offset + (gain - 1) / 2).max() > BRIGHTENED:
        words.append("recoloured")
    return ", ".join(words)
