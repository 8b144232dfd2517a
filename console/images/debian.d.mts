/** Arguments of mmdebstrap; the tar comes on its stdout. */
export const MMDEBSTRAP: readonly string[];
