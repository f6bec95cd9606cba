import type { StoreReader } from '../store/store.ts'
import { type ConnectOptions, connect, type Port, serve, Transferred } from './rpc.ts'
import { packSeries, packStates, unpackSeries, unpackStates } from './series-columns.ts'

/** The store's reader between threads: columns are moved to the asker instead of copied, and series cross as columns. */
export function serveReader(port: Port, reader: StoreReader): void {
  serve(port, servedReader(reader))
}

/** The reader at the other end of `port`. */
export function connectReader(port: Port, options: ConnectOptions): StoreReader {
  const served = connect<ServedReader>(port, options)
  return {
    series: async (...args) => unpackSeries(await served.series(...args)),
    latest: async (...args) => unpackStates(await served.latest(...args)),
    points: served.points,
    buckets: served.buckets,
    downsample: served.downsample,
    quarantine: served.quarantine,
    quarantineEntry: served.quarantineEntry,
    quarantineDropped: served.quarantineDropped,
    extent: served.extent,
    status: served.status,
  }
}

type ServedReader = ReturnType<typeof servedReader>

function servedReader(reader: StoreReader) {
  return {
    series: async (...args: Parameters<StoreReader['series']>) =>
      moved(packSeries(await reader.series(...args))),
    latest: async (...args: Parameters<StoreReader['latest']>) =>
      moved(packStates(await reader.latest(...args))),
    points: async (...args: Parameters<StoreReader['points']>) => moved(await reader.points(...args)),
    buckets: async (...args: Parameters<StoreReader['buckets']>) => moved(await reader.buckets(...args)),
    downsample: async (...args: Parameters<StoreReader['downsample']>) =>
      moved(await reader.downsample(...args)),
    quarantine: (...args: Parameters<StoreReader['quarantine']>) => reader.quarantine(...args),
    quarantineEntry: (...args: Parameters<StoreReader['quarantineEntry']>) => reader.quarantineEntry(...args),
    quarantineDropped: (...args: Parameters<StoreReader['quarantineDropped']>) =>
      reader.quarantineDropped(...args),
    extent: (...args: Parameters<StoreReader['extent']>) => reader.extent(...args),
    status: () => reader.status(),
  }
}

/** With each typed array in a buffer of its own, which goes along: one that is a view would take its whole buffer with it. */
function moved<T extends object>(result: T): Transferred<T> {
  const buffers: ArrayBuffer[] = []
  return new Transferred(withOwnBuffers(result, buffers) as T, buffers)
}

function withOwnBuffers(value: unknown, buffers: ArrayBuffer[]): unknown {
  if (ArrayBuffer.isView(value)) {
    const own = (value as Float64Array).slice()
    buffers.push(own.buffer as ArrayBuffer)
    return own
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, part]) => [name, withOwnBuffers(part, buffers)]),
  )
}
