import { open, readFile } from 'node:fs/promises'
import { DroverError } from '@drover/protocol'
import { defaultTenant } from '../model/device.ts'
import type { Registry } from '../registry/registry.ts'
import { type RandomBytes, randomBase62 } from '../runtime/ids.ts'
import { record } from './actor.ts'
import { sha256 } from './secrets.ts'

/** The name under which the key of the file is registered. */
export const adminKeyName = 'admin-key'
/** A shorter one could be guessed. */
const keyLengthMin = 32

export interface AdminKeyOptions {
  /** Where the key is: the file holds nothing but it. */
  readonly path: string
  readonly registry: Registry
  readonly nowMicros: () => number
  readonly random?: RandomBytes
}

/**
 * Makes the administrator key at the first start (256 random bits, mode 0600), and registers the hash of what the file
 * holds. A key that was changed or lost is no longer taken, and its sessions end. Answers whether the key is new.
 */
export async function ensureAdminKey(options: AdminKeyOptions): Promise<{ readonly created: boolean }> {
  const { path, registry, nowMicros, random } = options
  const found = await readKey(path)
  const key = found ?? `ak_${randomBase62(43, random)}`
  if (found === undefined) await writeKey(path, key)
  const atMicros = nowMicros()
  await registry.transaction(async (tables) => {
    const changed = await tables.adminKeys.put(defaultTenant, adminKeyName, sha256(key), atMicros)
    if (!changed) return
    await tables.consoleSessions.deleteAll(defaultTenant)
    const system = { tenant: defaultTenant, name: 'system', address: null }
    await tables.audit.add(record(system, 'adminKey.change', adminKeyName), atMicros)
  })
  return { created: found === undefined }
}

async function readKey(path: string): Promise<string | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  const key = text.trim()
  if (key.length >= keyLengthMin) return key
  const reason = `${path} holds no administrator key; delete it, and the next start makes a new one`
  throw new DroverError('badConfiguration', { reason })
}

async function writeKey(path: string, key: string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(key)
    await file.sync()
  } finally {
    await file.close()
  }
}
