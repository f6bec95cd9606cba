import type { Session } from './database.ts'

const none = -1

/**
 * What this process knows of series, by their ids: that they exist, the time of the newest point, and where `newest_number`
 * and `newest_text` stand. It may be outdated: then a COPY meets a point that is there, and the write is repeated without.
 */
export class Marks {
  known = new Uint8Array(1024)
  /** µs; -1 without points. */
  highWater = new Float64Array(1024).fill(none)
  newestNumber = new Float64Array(1024).fill(none)
  newestText = new Float64Array(1024).fill(none)
  #epoch = 0

  /** Forgets everything when something was removed from the database since. */
  atEpoch(epoch: number): void {
    if (epoch !== this.#epoch) this.clear()
    this.#epoch = epoch
  }

  clear(): void {
    this.known.fill(0)
  }

  /** Learns of those series that are not known. */
  async load(session: Session, schema: string, ids: Iterable<number>): Promise<void> {
    const missing = [...new Set(ids)].filter((id) => this.known[id] !== 1)
    if (missing.length === 0) return
    const rows = await session.rows<{
      id: number
      number_from: number | null
      text_from: number | null
      number: number | null
      text: number | null
    }>(
      `SELECT id, newest_number AS number_from, newest_text AS text_from,
         (SELECT time FROM ${schema}.points WHERE series = id AND time >= newest_number ORDER BY time DESC LIMIT 1) AS number,
         (SELECT time FROM ${schema}.texts WHERE series = id AND time >= newest_text ORDER BY time DESC LIMIT 1) AS text
       FROM ${schema}.series WHERE id = ANY($1::integer[])`,
      [missing],
    )
    for (const { id, number_from, text_from, number, text } of rows) {
      if (id >= this.known.length) this.#grow(id + 1)
      this.known[id] = 1
      this.highWater[id] = Math.max(number ?? none, text ?? none)
      this.newestNumber[id] = number_from ?? none
      this.newestText[id] = text_from ?? none
    }
  }

  #grow(size: number): void {
    const length = Math.max(size, 2 * this.known.length)
    const grown = (from: Float64Array) => {
      const to = new Float64Array(length).fill(none)
      to.set(from)
      return to
    }
    const known = new Uint8Array(length)
    known.set(this.known)
    this.known = known
    this.highWater = grown(this.highWater)
    this.newestNumber = grown(this.newestNumber)
    this.newestText = grown(this.newestText)
  }
}
