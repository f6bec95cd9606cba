import { limits } from '@drover/protocol'
import type { DeviceName, DeviceTable } from './devices.ts'

interface Kept {
  readonly names: readonly DeviceName[]
  /** Devices that it counts for. */
  readonly size: number
}

/**
 * Answers of `names` in memory, until any device changes: a page that asks for the same thousand devices every few
 * seconds would otherwise have them looked up each time. Those not asked for the longest go first.
 */
export class KeptSelections {
  readonly #sizeMax: number
  readonly #kept = new Map<string, Kept>()
  #size = 0
  #generation = 0

  constructor(sizeMax: number = limits.devicesInKeptSelectionsMax) {
    this.#sizeMax = sizeMax
  }

  /** The kept answer, or that of `ask`; `asked` is the devices that the question itself names. */
  async get(
    question: string,
    asked: number,
    ask: () => Promise<readonly DeviceName[]>,
  ): Promise<readonly DeviceName[]> {
    const kept = this.#kept.get(question)
    if (kept) {
      this.#kept.delete(question)
      this.#kept.set(question, kept)
      return kept.names
    }
    const generation = this.#generation
    const names = await ask()
    // What was read before a change may be from before it.
    if (generation === this.#generation) this.#keep(question, { names, size: 1 + names.length + asked })
    return names
  }

  forget(): void {
    this.#generation++
    this.#kept.clear()
    this.#size = 0
  }

  #keep(question: string, kept: Kept): void {
    if (kept.size > this.#sizeMax || this.#kept.has(question)) return
    this.#kept.set(question, kept)
    this.#size += kept.size
    for (const [oldest, { size }] of this.#kept) {
      if (this.#size <= this.#sizeMax) return
      this.#kept.delete(oldest)
      this.#size -= size
    }
  }
}

/** The table outside of transactions; answers are kept while `mayKeep` says so. */
export function keepingSelections(
  devices: DeviceTable,
  selections: KeptSelections,
  mayKeep: () => boolean,
): DeviceTable {
  return {
    ...devices,
    names(tenant, filter, limit) {
      const ask = () => devices.names(tenant, filter, limit)
      if (!mayKeep()) return ask()
      const asked = (filter.ids?.length ?? 0) + (filter.uids?.length ?? 0)
      return selections.get(JSON.stringify([tenant, limit, filter]), asked, ask)
    },
  }
}
