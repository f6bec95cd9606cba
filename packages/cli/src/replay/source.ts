import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { pipeline, Transform } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { DroverError } from '@drover/protocol'
import { CsvError, parse } from 'csv-parse'

export interface Source {
  /** Of the file as it is on the disk, for progress. */
  readonly bytes: number
  /** Of them, read so far. */
  bytesRead(): number
  /** The header, then every row; read as fast as they are taken. Throws `badRequest` for what is not CSV. */
  rows(): AsyncGenerator<string[]>
}

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
    bytes: size,
    bytesRead: () => read,
    async *rows() {
      const parser = parse({ delimiter, bom: true, skipEmptyLines: true })
      const unpack = file.endsWith('.gz') ? [createGunzip()] : []
      // An error of any stage reaches the parser, from which the rows are read.
      pipeline([createReadStream(file), counter, ...unpack, parser], () => undefined)
      try {
        yield* parser as AsyncIterable<string[]>
      } catch (error) {
        if (!(error instanceof CsvError)) throw error
        throw new DroverError('badRequest', { reason: `${file}: ${error.message}` }, error)
      }
    },
  }
}
