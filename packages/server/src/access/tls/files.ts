import { createPrivateKey, X509Certificate } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { CertificatePair } from './issue.ts'

/** Names a pair's files in the directory: NAME.pem, and NAME-key.pem, which only the owner may read. */
export type PairName = 'ca' | 'server'

/** The key first: a certificate that is there has its key beside it. */
export function writePair(directory: string, name: PairName, pair: CertificatePair): void {
  writeWhole(join(directory, `${name}-key.pem`), pair.keyPem, 0o600)
  writeWhole(join(directory, `${name}.pem`), pair.certificatePem, 0o644)
  syncDirectory(directory)
}

function writeWhole(path: string, text: string, mode: number): void {
  const unfinished = `${path}.new`
  const file = openSync(unfinished, 'w', mode)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(unfinished, path)
}

function syncDirectory(directory: string): void {
  if (process.platform === 'win32') return
  const handle = openSync(directory, 'r')
  fsyncSync(handle)
  closeSync(handle)
}

/** The pair; undefined without a certificate; `damaged` when one cannot be read or key and certificate do not match. */
export function readPair(directory: string, name: PairName): CertificatePair | 'damaged' | undefined {
  const certificatePem = readIfThere(join(directory, `${name}.pem`))
  const keyPem = readIfThere(join(directory, `${name}-key.pem`))
  if (certificatePem === undefined) return undefined
  if (keyPem === undefined) return 'damaged'
  try {
    const matches = new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(keyPem))
    return matches ? { certificatePem, keyPem } : 'damaged'
  } catch {
    return 'damaged'
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
