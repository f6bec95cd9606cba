import { setImmediate } from 'node:timers/promises'
import { DroverError, deviceInputSchema, type ImportResult } from '@drover/protocol'
import { type Actor, record } from '../access/actor.ts'
import type { DeviceContext } from '../devices/context.ts'
import type { CheckedDeviceInput } from '../devices/create.ts'
import { newToken } from '../devices/new-token.ts'
import type { RegistryTables } from '../registry/registry.ts'
import { atMost, type ImportRow } from './rows.ts'

/** Rows created in one transaction; between two of them others get their turn. */
const portionRows = 500

interface Checked {
  readonly row: number
  readonly input: CheckedDeviceInput
}
type Failure = ImportResult['failed'][number]

/**
 * Creates a device with a token for every row that is sound, and says of every other what is wrong with it. Devices
 * created before an error that ends the import stay. Rejects with `badRequest`, `queryTooLarge`.
 */
export async function importDevices(
  context: DeviceContext,
  actor: Actor,
  rows: AsyncIterable<ImportRow>,
): Promise<ImportResult> {
  const devices: ImportResult['devices'] = []
  const failed: Failure[] = []
  const seen = new Set<string>()
  let portion: Checked[] = []
  const create = async () => {
    devices.push(...(await createPortion(context, actor, portion, failed)))
    portion = []
    await setImmediate()
  }
  for await (const row of await readAhead(atMost(rows))) {
    const checked = check(row, seen)
    if ('code' in checked) failed.push(checked)
    else portion.push(checked)
    if (portion.length === portionRows) await create()
  }
  if (portion.length > 0) await create()
  return { created: devices.length, devices, failed: failed.sort((a, b) => a.row - b.row) }
}

/** All rows, so that a file that cannot be read to its end creates nothing. */
async function readAhead(rows: AsyncIterable<ImportRow>): Promise<ImportRow[]> {
  const read: ImportRow[] = []
  for await (const row of rows) read.push(row)
  return read
}

function check(row: ImportRow, seen: Set<string>): Checked | Failure {
  if ('error' in row) return failure(row.row, null, row.error)
  const { success, data, error } = deviceInputSchema.safeParse(row.value)
  if (!success) return failure(row.row, idOf(row.value), invalid(error.issues, row.value))
  if (seen.has(data.id)) {
    const reason = `the import has ${data.id} twice`
    return failure(row.row, data.id, new DroverError('badRequest', { reason }))
  }
  seen.add(data.id)
  return { row: row.row, input: data }
}

function failure(row: number, id: string | null, { code, message }: DroverError): Failure {
  return { row, id, code, message }
}

function idOf(value: unknown): string | null {
  const id = (value as { id?: unknown } | null)?.id
  return typeof id === 'string' ? id.slice(0, 200) : null
}

function invalid(
  issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[],
  value: unknown,
): DroverError {
  const id = idOf(value)
  if (id !== null && issues.some(({ path }) => path[0] === 'id'))
    return new DroverError('badIdentifier', { id: JSON.stringify(id) })
  const reason = issues.map(({ path, message }) => `${path.join('.') || 'row'}: ${message}`).join('; ')
  return new DroverError('badRequest', { reason })
}

async function createPortion(
  { registry, storage, clock, random }: DeviceContext,
  actor: Actor,
  portion: readonly Checked[],
  failed: Failure[],
): Promise<ImportResult['devices']> {
  const atMicros = clock.nowMicros()
  const refused: Failure[] = []
  const issued = await registry.transaction(async (tables) => {
    const sound = await refuseClashes(tables, actor.tenant, portion, refused)
    const uids = await insertByParent(tables, actor.tenant, sound, refused, atMicros)
    const tokens = sound.flatMap(({ input: { id } }) => {
      const uid = uids.get(id)
      return uid === undefined ? [] : [{ id, uid, ...newToken(uid, random) }]
    })
    await tables.tokens.insert(
      tokens.map(({ kept }) => kept),
      atMicros,
    )
    if (tokens.length > 0)
      await tables.audit.add(record(actor, 'device.import', null, { created: tokens.length }), atMicros)
    return tokens
  })
  failed.push(...refused)
  if (issued.length > 0) await storage.devicesChanged(issued.map(({ uid }) => uid))
  return issued.map(({ id, token }) => ({ id, token }))
}

/** The rows whose id is free and whose profile exists. */
async function refuseClashes(
  { devices, profiles }: RegistryTables,
  tenant: number,
  portion: readonly Checked[],
  refused: Failure[],
): Promise<Checked[]> {
  const ids = portion.map(({ input }) => input.id)
  const taken = new Set((await devices.names(tenant, { ids }, ids.length)).map(({ id }) => id))
  const known = await profiles.existing(
    tenant,
    portion.map(({ input }) => input.profile),
  )
  return portion.filter(({ row, input: { id, profile } }) => {
    const error = taken.has(id)
      ? new DroverError('alreadyExists', { kind: 'device', id })
      : known.has(profile)
        ? undefined
        : new DroverError('notFound', { kind: 'profile', id: profile })
    if (error) refused.push(failure(row, id, error))
    return error === undefined
  })
}

/** Parents before their children, wherever in the portion they stand. */
async function insertByParent(
  { devices }: RegistryTables,
  tenant: number,
  rows: readonly Checked[],
  refused: Failure[],
  atMicros: number,
): Promise<Map<string, number>> {
  const created = new Map<string, number>()
  const parents = await existingParents(devices, tenant, rows)
  let waiting = rows
  for (;;) {
    const ready = waiting.filter(({ input: { parent } }) => parent === null || parents.has(parent))
    if (ready.length === 0) break
    const inputs = ready.map(({ input }) => ({
      ...input,
      parentUid: parents.get(input.parent ?? '') ?? null,
    }))
    for (const [id, uid] of await devices.insert(tenant, inputs, atMicros)) {
      created.set(id, uid)
      parents.set(id, uid)
    }
    const done = new Set(ready)
    waiting = waiting.filter((row) => !done.has(row))
  }
  for (const { row, input } of waiting)
    refused.push(failure(row, input.id, new DroverError('notFound', { kind: 'device', id: input.parent! })))
  return created
}

async function existingParents(
  devices: RegistryTables['devices'],
  tenant: number,
  rows: readonly Checked[],
): Promise<Map<string, number>> {
  const ids = [...new Set(rows.flatMap(({ input }) => input.parent ?? []))]
  const found = ids.length === 0 ? [] : await devices.names(tenant, { ids }, ids.length)
  return new Map(found.map(({ id, uid }) => [id, uid]))
}
