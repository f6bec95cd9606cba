import type { Device, DeviceInput, Latest } from '@drover/protocol'
import { type Client, type DeviceQuery, eachItem } from '@drover/sdk/client'
import { Command } from 'commander'
import { positiveInteger } from '../arguments.ts'
import type { Context } from '../context.ts'
import { type Cell, formatJson, formatTable } from '../format.ts'
import { mqttAddress } from '../mqtt-address.ts'
import { connectTo, type ServerOptions, withServer } from '../server.ts'

export function devicesCommand(context: Context): Command {
  return new Command('devices')
    .description('list, add, show and remove devices, and their tokens')
    .addHelpText('after', '\nExample:\n  drover devices add boiler-7 --name "Boiler, hall 2" --tag hall-2')
    .addCommand(listCommand(context))
    .addCommand(addCommand(context))
    .addCommand(showCommand(context))
    .addCommand(removeCommand(context))
    .addCommand(tokenCommand(context))
}

function subcommand(name: string, description: string, example: string): Command {
  return withServer(new Command(name).description(description)).addHelpText(
    'after',
    `\nExample:\n  ${example}`,
  )
}

interface ListOptions extends ServerOptions, Pick<DeviceQuery, 'q' | 'profile' | 'tag' | 'state'> {
  readonly limit?: number
}

function listCommand(context: Context): Command {
  return subcommand('list', 'list devices', 'drover devices list --tag hall-2 --state offline')
    .option('--q <words>', 'words that the id or the name holds')
    .option('--profile <id>')
    .option('--tag <tag>')
    .option('--state <state>', 'online, offline, active or suspended')
    .option('--limit <number>', 'devices at most (default: all)', positiveInteger)
    .action(async (options: ListOptions) => {
      const { q, profile, tag, state, limit = Number.POSITIVE_INFINITY } = options
      const client = connectTo(options)
      const devices: Device[] = []
      const pages = eachItem((cursor) => client.devices.list({ q, profile, tag, state, cursor }))
      for await (const device of pages) if (devices.push(device) >= limit) break
      context.stdout.write(options.json ? formatJson(devices) : describeList(devices))
    })
}

function describeList(devices: readonly Device[]): string {
  if (devices.length === 0) return 'No devices. Add one with `drover devices add ID`.\n'
  return formatTable(
    ['ID', 'NAME', 'PROFILE', 'TAGS', 'STATE', 'LAST SEEN'],
    devices.map((device) => [
      device.id,
      device.name,
      device.profile,
      device.tags.join(' '),
      device.state === 'suspended' ? 'suspended' : device.connection.online ? 'online' : 'offline',
      device.connection.lastSeen ?? 'never',
    ]),
  )
}

interface AddOptions extends ServerOptions {
  readonly profile?: string
  readonly name?: string
  readonly tag?: string[]
  readonly parent?: string
}

function addCommand(context: Context): Command {
  return subcommand('add', 'add a device and print its token', 'drover devices add boiler-7 --tag hall-2')
    .argument('<id>', 'letters, digits and . _ : -')
    .option('--profile <id>', 'what it measures (default: default)')
    .option('--name <name>', 'what people call it')
    .option('--tag <tag...>', 'tags to find it by')
    .option('--parent <id>', 'the gateway behind which it sits')
    .action(async (id: string, options: AddOptions) => {
      const { profile, name, tag, parent } = options
      const input = { id, profile, name, tags: tag, parent } satisfies DeviceInput
      const client = connectTo(options)
      const created = await client.devices.create(input)
      context.stdout.write(
        options.json ? formatJson(created) : await describeToken(client, id, created.token, options),
      )
    })
}

/** Commands that can be pasted as they are, where the server is reached as it was now. */
async function describeToken(client: Client, id: string, token: string, { url, ca }: ServerOptions) {
  const mqtt = await mqttAddress(client, url).catch(() => undefined)
  const curl = `curl${ca === undefined ? '' : ` --cacert ${ca}`}`
  return `${id}: the token, shown this once:

  ${token}

Send a reading over HTTP${mqtt === undefined ? '' : ', or over MQTT'}:

  ${curl} -H "Authorization: Bearer ${token}" -H "Content-Type: application/json" \\
    -d '{"temperature":21.4}' ${url}/api/v1/ingest/telemetry
${mqtt === undefined ? '' : describePublish(new URL(mqtt), id, token, ca)}`
}

function describePublish(
  { hostname, port, protocol }: URL,
  id: string,
  token: string,
  ca = 'ca.pem',
): string {
  const address = `-h ${hostname} -p ${port}${protocol === 'mqtts:' ? ` --cafile ${ca}` : ''}`
  return `  mosquitto_pub ${address} -u ${id} -P ${token} -q 1 -t me/telemetry -m '{"temperature":21.4}'\n`
}

function showCommand(context: Context): Command {
  return subcommand('show', 'show a device with its latest values', 'drover devices show boiler-7')
    .argument('<id>')
    .action(async (id: string, options: ServerOptions) => {
      const client = connectTo(options)
      const [device, latest] = await Promise.all([client.devices.get(id), client.devices.latest(id)])
      context.stdout.write(
        options.json ? formatJson({ ...device, latest: latest.metrics }) : describeDevice(device, latest),
      )
    })
}

function describeDevice(device: Device, { metrics }: Latest): string {
  const { connection, location } = device
  const facts: [string, Cell][] = [
    ['id', device.id],
    ['name', device.name],
    ['profile', device.profile],
    ['tags', device.tags.join(' ')],
    ['location', location && `${location.latitude}, ${location.longitude}`],
    ['parent', device.parent],
    ['state', device.state],
    ['connection', describeConnection(connection)],
    ['last seen', connection.lastSeen ?? 'never'],
    ['created', device.createdAt],
  ]
  const known = facts.filter(([, value]) => value !== null && value !== '')
  const text = known.map(([name, value]) => `${name.padEnd(12)}${value}\n`).join('')
  const rows = Object.entries(metrics).map(([metric, { time, value, unit, quality }]) => {
    const shown = typeof value === 'object' ? JSON.stringify(value) : value
    return [metric, String(shown), unit, quality, time]
  })
  if (rows.length === 0) return `${text}\nNo values yet.\n`
  return `${text}\n${formatTable(['METRIC', 'LATEST', 'UNIT', 'QUALITY', 'TIME'], rows)}`
}

function describeConnection({ online, since, reason }: Device['connection']): string {
  if (since === null) return 'never connected'
  return `${online ? 'online' : 'offline'} since ${since}${reason === null ? '' : ` (${reason})`}`
}

function removeCommand(context: Context): Command {
  return subcommand('remove', 'remove devices and what they sent', 'drover devices remove boiler-7')
    .argument('<id...>')
    .action(async (ids: string[], options: ServerOptions) => {
      const client = connectTo(options)
      for (const id of ids) {
        await client.devices.delete(id)
        if (!options.json) context.stdout.write(`${id}: removed\n`)
      }
      if (options.json) context.stdout.write(formatJson({ removed: ids }))
    })
}

interface TokenOptions extends ServerOptions {
  readonly list?: true
  readonly revoke?: string
}

function tokenCommand(context: Context): Command {
  return subcommand(
    'token',
    'make a new token for a device, list its tokens, or revoke one',
    'drover devices token boiler-7\n  drover devices token boiler-7 --revoke 4fJ0aQ1bZx9Kd2Lm',
  )
    .argument('<id>')
    .option('--list', 'list the tokens, without their secrets')
    .option('--revoke <keyId>', 'revoke the token with this key id and close its connections')
    .action((id: string, options: TokenOptions) => changeTokens(id, options, context))
}

async function changeTokens(id: string, options: TokenOptions, context: Context): Promise<void> {
  const client = connectTo(options)
  const { devices } = client
  if (options.revoke !== undefined) {
    await devices.revokeToken(id, options.revoke)
    const { revoke } = options
    context.stdout.write(options.json ? formatJson({ revoked: revoke }) : `${id}: revoked ${revoke}\n`)
  } else if (options.list) {
    const { items } = await devices.tokens(id)
    const rows = items.map(({ keyId, createdAt, lastUsedAt }) => [keyId, createdAt, lastUsedAt ?? 'never'])
    context.stdout.write(
      options.json ? formatJson(items) : formatTable(['KEY ID', 'CREATED', 'LAST USED'], rows),
    )
  } else {
    const created = await devices.createToken(id)
    context.stdout.write(
      options.json ? formatJson(created) : await describeToken(client, id, created.token, options),
    )
  }
}
