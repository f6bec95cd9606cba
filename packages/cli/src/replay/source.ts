import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { pipeline, Transform } from 'node:stream'
import { pipeline as promisedPipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { DroverError } from '@drover/protocol'
import { CsvError, parse } from 'csv-parse'

export interface Source {
  /** What progress counts: about how many rows there are, or the bytes on the disk of a file too large to count. */
  readonly total: { readonly rows: number } | { readonly bytes: number }
  /** Of the bytes on the disk, read so far. */
  bytesRead(): number
  /** The header, then every row; read as fast as they are taken. Throws `badRequest` for what is not CSV. */
  rows(): AsyncGenerator<string[]>
}

/** Counting the rows of a larger file would be a wait of its own. */
const countedBytesMax = 67_108_864

/** A CSV file, also compressed with gzip. */
export async function openSource(file: string, delimiter: string): Promise<Source> {
  const { size } = await stat(file)
  let read = 0
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      read += chunk.length
      done(null, chunk)
    },
  })
  return {
    total: size > countedBytesMax ? { bytes: size } : { rows: await countRows(file) },
    bytesRead: () => read,
    async *rows() {
      const parser = parse({ delimiter, bom: true, skipEmptyLines: true })
      // An error of any stage reaches the parser, from which the rows are read.
      pipeline([createReadStream(file), counter, ...unpackerOf(file), parser], () => undefined)
      try {
        yield* parser as AsyncIterable<string[]>
      } catch (error) {
        if (!(error instanceof CsvError)) throw error
        throw new DroverError('badRequest', { reason: `${file}: ${error.message}` }, error)
      }
    },
  }
}

function unpackerOf(file: string): Transform[] {
  return file.endsWith('.gz') ? [createGunzip()] : []
}

const lineFeed = 10

/** Lines below the header; more than there are rows where cells hold line breaks. */
async function countRows(file: string): Promise<number> {
  let lines = 0
  const count = async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks)
      for (let at = chunk.indexOf(lineFeed); at >= 0; at = chunk.indexOf(lineFeed, at + 1)) lines++
  }
  await promisedPipeline([createReadStream(file), ...unpackerOf(file), count])
  return Math.max(0, lines - 1)
}
