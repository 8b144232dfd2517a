/** An image's history as its configuration holds it, from what the engine's API tells of it. */

/** A row of the engine's answer, newest first. */
export interface HistoryRow {
  /** Epoch seconds. */
  readonly Created: number;
  readonly CreatedBy: string;
  readonly Comment: string;
  /** Bytes. */
  readonly Size: number;
}

/** An entry of `history` in an image's configuration (OCI image specification, "Image JSON"). */
export interface HistoryEntry {
  readonly created: string;
  readonly created_by: string;
  readonly comment?: string;
  readonly empty_layer?: true;
}

/**
 * Oldest first. The API doesn't say which entries made no layer: those that only set configuration did not, and of the
 * others without a byte either all did or none. Where the count then differs from `layers` there is no history: an
 * image without one is valid, one with a wrong one is not.
 */
export function imageHistory(rows: readonly HistoryRow[], layers: number): readonly HistoryEntry[] {
  const maybe = rows.filter((row) => row.Size === 0 && !setsConfiguration(row));
  const sure = rows.filter((row) => row.Size > 0).length;
  if (sure !== layers && sure + maybe.length !== layers) return [];
  const empty = (row: HistoryRow) => row.Size === 0 && (sure === layers || setsConfiguration(row));
  return rows.toReversed().map((row) => ({
    created: new Date(row.Created * 1000).toISOString(),
    created_by: row.CreatedBy,
    ...(row.Comment === '' ? {} : { comment: row.Comment }),
    ...(empty(row) ? { empty_layer: true as const } : {}),
  }));
}

/** `/bin/sh -c #(nop)  ENV A=b` of the classic builder, `ENV A=b` of BuildKit. */
function setsConfiguration({ CreatedBy: by }: HistoryRow): boolean {
  return /^(?:\/bin\/sh -c #\(nop\)\s+)?(?:ARG|CMD|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|SHELL|STOPSIGNAL|USER|VOLUME)\b/.test(
    by,
  );
}
