import { readFile } from 'node:fs/promises'
import { DroverError, isDroverError, type Profile, profileInputSchema } from '@drover/protocol'
import { type Client, eachItem } from '@drover/sdk/client'
import { Command } from 'commander'
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'
import type { Context } from '../context.ts'
import { formatJson, formatTable } from '../format.ts'
import { connectTo, type ServerOptions, withServer } from '../server.ts'

export function profilesCommand(context: Context): Command {
  return new Command('profiles')
    .description('list, show and apply profiles: what a kind of device measures')
    .addHelpText('after', '\nExample:\n  drover profiles apply boiler.yaml')
    .addCommand(listCommand(context))
    .addCommand(showCommand(context))
    .addCommand(applyCommand(context))
}

function listCommand(context: Context): Command {
  return withServer(new Command('list').description('list profiles'))
    .addHelpText('after', '\nExample:\n  drover profiles list')
    .action(async (options: ServerOptions) => {
      const client = connectTo(options)
      const profiles: Profile[] = []
      for await (const profile of eachItem((cursor) => client.profiles.list({ cursor })))
        profiles.push(profile)
      const rows = profiles.map((profile) => [
        profile.id,
        Object.keys(profile.metrics).join(' '),
        profile.unknownMetrics,
        profile.description,
      ])
      const titles = ['ID', 'METRICS', 'UNKNOWN METRICS', 'DESCRIPTION']
      context.stdout.write(options.json ? formatJson(profiles) : formatTable(titles, rows))
    })
}

function showCommand(context: Context): Command {
  return withServer(new Command('show').description('show a profile'))
    .argument('<id>')
    .addHelpText('after', '\nExample:\n  drover profiles show default')
    .action(async (id: string, options: ServerOptions) => {
      const profile = await connectTo(options).profiles.get(id)
      context.stdout.write(options.json ? formatJson(profile) : describeProfile(profile))
    })
}

function describeProfile(profile: Profile): string {
  const facts = [
    ['id', profile.id],
    ['description', profile.description],
    ['unknown', profile.unknownMetrics],
    ['oldest time', profile.oldestTime],
    ['ahead', `${profile.aheadSecondsMax} s at most`],
    ['interval', profile.intervalSeconds === null ? '' : `${profile.intervalSeconds} s`],
  ].filter(([, value]) => value !== '')
  const text = facts.map(([name, value]) => `${name!.padEnd(14)}${value}\n`).join('')
  const rows = Object.entries(profile.metrics).map(([name, metric]) => [
    name,
    metric.type,
    metric.unit,
    metric.min,
    metric.max,
    metric.ratePerSecondMax,
  ])
  if (rows.length === 0) return text
  return `${text}\n${formatTable(['METRIC', 'TYPE', 'UNIT', 'MIN', 'MAX', 'MAX RATE/S'], rows)}`
}

function applyCommand(context: Context): Command {
  return withServer(new Command('apply').description('create or change profiles as a YAML or JSON file says'))
    .argument('<file>', 'one profile or a list of them')
    .addHelpText('after', applyExample)
    .action(async (file: string, options: ServerOptions) => {
      const client = connectTo(options)
      const profiles: Profile[] = []
      for (const input of parseProfiles(file, await readFile(file, 'utf8'))) {
        const { profile, created } = await applyProfile(client, input)
        profiles.push(profile)
        if (!options.json) context.stdout.write(`${profile.id}: ${created ? 'created' : 'changed'}\n`)
      }
      if (options.json) context.stdout.write(formatJson(profiles))
    })
}

const applyExample = `
Example:
  drover profiles apply boiler.yaml
with boiler.yaml:
  id: boiler
  metrics:
    temperature: { unit: Cel, min: 0, max: 120, ratePerSecondMax: 2 }
    burning: { type: boolean }
  unknownMetrics: quarantine`

type CheckedProfile = z.output<typeof profileInputSchema>

/** The profiles that a file holds. Throws `badRequest` that names what is wrong with which setting. */
function parseProfiles(file: string, text: string): CheckedProfile[] {
  const content: unknown = parseFile(file, text)
  const parsed = z.array(profileInputSchema).safeParse(Array.isArray(content) ? content : [content])
  if (!parsed.success) throw badFile(file, z.prettifyError(parsed.error))
  return parsed.data
}

/** JSON is YAML. */
function parseFile(file: string, text: string): unknown {
  try {
    return parseYaml(text)
  } catch (error) {
    throw badFile(file, error instanceof Error ? error.message : String(error))
  }
}

function badFile(file: string, problem: string): DroverError {
  return new DroverError('badRequest', { reason: `${file}: ${problem}` })
}

/** What the file does not say gets its default, so that the same file always gives the same profile. */
async function applyProfile({ profiles }: Client, input: CheckedProfile) {
  try {
    return { profile: await profiles.create(input), created: true }
  } catch (error) {
    if (!isDroverError(error, 'alreadyExists')) throw error
    const { id, intervalSeconds = null, ...rest } = input
    return { profile: await profiles.update(id, { ...rest, intervalSeconds }), created: false }
  }
}
