import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { ServerInfo } from '@drover/protocol'
import packageJson from '../package.json' with { type: 'json' }
import { ensureAdminKey } from './access/admin-key.ts'
import { createDeviceAuthenticator } from './access/device-authenticator.ts'
import { RefusalLog } from './access/refusals.ts'
import { SignInAttempts } from './access/sign-in-attempts.ts'
import { type Certificates, openCertificates } from './access/tls/certificates.ts'
import { buildApi } from './api/build.ts'
import type { ReadinessCheck } from './api/context.ts'
import { createMetrics } from './api/metrics.ts'
import { backUp, backupRefusal } from './backup.ts'
import { type Configuration, formatListener, type ListenerAddress } from './config.ts'
import { dataPaths } from './data-paths.ts'
import { followChanges } from './devices/follow-changes.ts'
import { keepPresence } from './devices/keep-presence.ts'
import { createDirectory } from './gateway/directory.ts'
import { startGateways } from './gateway/gateways.ts'
import { createIngest } from './gateway/http-ingest.ts'
import { startLocalGateway } from './gateway/local-gateway.ts'
import type { Notice } from './gateway/notices.ts'
import { isOn, startListeners } from './listeners.ts'
import { metricSources } from './metric-sources.ts'
import type { PartInput } from './parts.ts'
import { restoredSessions } from './restored-sessions.ts'
import { systemClock } from './runtime/clock.ts'
import { claimDataDirectory } from './runtime/data-directory.ts'
import { createBootId } from './runtime/ids.ts'
import { Lifecycle } from './runtime/lifecycle.ts'
import type { Logger } from './runtime/logger.ts'
import { registryAccess, type Storing, startStoring } from './storing.ts'
import { openRegistryAt } from './threads/engines.ts'

export interface ServerInput {
  readonly configuration: Configuration
  readonly log: Logger
  /** A part has failed beyond repair: the process should stop and be started again. */
  readonly onFailure: (error: Error) => void
}

export interface RunningServer {
  /** URLs of the listeners, with the ports that were given out; null where one is off. */
  readonly addresses: Readonly<Record<'http' | 'https' | 'mqtt' | 'mqtts', string | null>>
  readonly adminKeyPath: string
  readonly adminKeyCreated: boolean
  readonly startedInMs: number
  /** Takes nothing more in, finishes what is in flight, and answers whether all parts stopped in time. */
  stop(timeoutMs: number): Promise<boolean>
}

const consoleDirectory = fileURLToPath(new URL('../../console/dist', import.meta.url))
const sweepPeriodMs = 60_000

/**
 * Starts the parts from the end of a message's way to its beginning, so that nothing is accepted before it can be kept
 * and stored. They stop in reverse.
 */
export async function startServer(input: ServerInput): Promise<RunningServer> {
  const lifecycle = new Lifecycle(input.log)
  try {
    return await startParts(input, lifecycle)
  } catch (error) {
    await lifecycle.stop(input.configuration.stopTimeoutMs)
    throw error
  }
}

async function startParts(serverInput: ServerInput, lifecycle: Lifecycle): Promise<RunningServer> {
  const startedAt = performance.now()
  const { configuration } = serverInput
  const input: PartInput = { ...serverInput, lifecycle, paths: dataPaths(configuration.dataDirectory) }
  await lifecycle.start(
    'data directory',
    () => claimDataDirectory(configuration.dataDirectory),
    (claim) => claim.release(),
  )
  const people = await startAccess(input)
  const certificates = await startCertificates(input)
  const storing = await startStoring(input, people.registry)
  const gateway = await startGateway(input, people, storing, certificates)
  const addresses = await startApi(input, people, storing, gateway, certificates)
  return {
    addresses,
    adminKeyPath: input.paths.adminKey,
    adminKeyCreated: people.adminKeyCreated,
    startedInMs: Math.round(performance.now() - startedAt),
    stop: (timeoutMs) => lifecycle.stop(timeoutMs),
  }
}

type Access = Awaited<ReturnType<typeof startAccess>>

/** Who may do what: registry, keys, tokens. */
async function startAccess(input: PartInput) {
  const { lifecycle, paths } = input
  const { nowMicros } = systemClock
  const registry = await lifecycle.start(
    'registry',
    () => openRegistryAt(registryAccess(input), nowMicros),
    (part) => part.close(),
  )
  const { created } = await ensureAdminKey({ path: paths.adminKey, registry, nowMicros })
  const refusals = await lifecycle.start(
    'audit of refusals',
    () => new RefusalLog(registry, systemClock),
    (part) => part.close(),
  )
  const deviceAccess = await lifecycle.start(
    'device access',
    () => createDeviceAuthenticator({ registry, clock: systemClock, refusals }),
    (part) => part.close(),
  )
  return { registry, refusals, deviceAccess, adminKeyCreated: created }
}

async function startCertificates({ configuration, log, lifecycle, paths }: PartInput) {
  if (configuration.httpsListener === 'off' && configuration.mqttsListener === 'off') return undefined
  return lifecycle.start(
    'certificates',
    () =>
      openCertificates({
        directory: paths.tls,
        publicName: configuration.publicName,
        clock: systemClock,
        onError: (error) => log.error({ error }, 'the certificate could not be renewed; trying again later'),
      }),
    (part) => part.close(),
  )
}

type Gateway = Awaited<ReturnType<typeof startGateway>>

/** From the device to the queue: directory of sessions, gateway threads, HTTP and WebSocket on this thread. */
async function startGateway(
  { configuration, log, lifecycle, onFailure }: PartInput,
  { registry, deviceAccess }: Access,
  { queue, producer, sharedClock, clock, storage, live }: Storing,
  certificates: Certificates | undefined,
) {
  const onFollowError = (error: Error) => log.error({ error }, 'a change of the registry was not followed')
  const notice = ({ level, message, details }: Notice) => log[level]({ part: 'gateway', ...details }, message)
  const directory = createDirectory({
    authenticator: deviceAccess,
    kept: await registry.connections.all(),
    restored: await restoredSessions(queue, storage),
  })
  directory.subscribe((device, connection) => live.publishConnection(device, connection))
  if (configuration.registry.kind !== 'embedded')
    await lifecycle.start(
      'changes by other processes',
      () => followChanges({ registry, deviceAccess, presence: directory, storage }, onFollowError),
      (stop) => stop(),
    )
  const presenceError = (error: Error) =>
    log.error({ error }, 'presence could not be kept; trying again later')
  await lifecycle.start(
    'presence',
    () => keepPresence({ directory, registry, clock: systemClock, onError: presenceError }),
    (part) => part.close(),
  )
  await lifecycle.start(
    'session sweep',
    () => systemClock.every(sweepPeriodMs, () => directory.sweep()),
    (stop) => stop(),
  )
  const ingest = createIngest({ queue, clock, bootId: createBootId() })
  const local = await lifecycle.start(
    'gateway for WebSocket',
    () =>
      startLocalGateway({
        queue,
        clock,
        bootId: createBootId(),
        attach: (sessions) => directory.attach(sessions),
        notice,
      }),
    (part) => part.close(configuration.stopTimeoutMs / 2),
  )
  const { mqttListener, mqttsListener, gatewayThreads, roles } = configuration
  const takesIn = roles.includes('gateway')
  const gateways = await lifecycle.start(
    'gateways',
    () =>
      startGateways({
        threads: takesIn ? gatewayThreads : 0,
        mqtt: takesIn && isOn(mqttListener) ? mqttListener : undefined,
        mqtts:
          takesIn && isOn(mqttsListener) && certificates
            ? { ...mqttsListener, certificate: pairOf(certificates) }
            : undefined,
        directory,
        queueAccess: producer,
        clock: sharedClock,
        notice,
        onFailure,
      }),
    (part) => part.close(configuration.stopTimeoutMs / 2),
  )
  certificates?.onChange(() => void gateways.updateCertificate(pairOf(certificates)).catch(onFailure))
  return { directory, ingest, local, gateways }
}

async function startApi(
  { configuration, log, lifecycle, paths }: PartInput,
  { registry, refusals, deviceAccess }: Access,
  { queue, embedded, storage, reader, live }: Storing,
  { directory, ingest, local, gateways }: Gateway,
  certificates: Certificates | undefined,
): Promise<RunningServer['addresses']> {
  const { nowMicros } = systemClock
  const { roles } = configuration
  const refusal = backupRefusal(configuration)
  let ports: ServerInfo['ports'] = { http: null, https: null, mqtt: null, mqtts: null }
  const app = await lifecycle.start(
    'API',
    () =>
      buildApi({
        registry,
        deviceAccess,
        presence: directory,
        storage,
        clock: systemClock,
        refusals,
        signInAttempts: new SignInAttempts(nowMicros),
        reader,
        ingest,
        live,
        metrics: createMetrics(metricSources({ queue, storage, gateways, local, live })),
        readiness: async () => [
          await readiness('queue', () => queue.status()),
          await readiness('store', () => reader.status()),
        ],
        serves: { api: roles.includes('api'), ingest: roles.includes('gateway') },
        serverInfo: () => ({
          version: packageJson.version,
          host: configuration.publicName ?? hostname(),
          ports,
        }),
        backup: async (to) => {
          if (refusal || !embedded) throw refusal
          return backUp({ paths, registry, queue: embedded, storage, nowMicros }, to)
        },
        authorityCertificate: () => certificates?.caPem,
        consoleDirectory: existsSync(consoleDirectory) ? consoleDirectory : undefined,
        logger: log,
      }),
    (part) => part.close(),
  )
  const { http, https } = await startListeners({ app, configuration, lifecycle, local, certificates })
  const { mqtt, mqtts } = gateways
  ports = {
    http: http?.port ?? null,
    https: https?.port ?? null,
    mqtt: mqtt?.port ?? null,
    mqtts: mqtts?.port ?? null,
  }
  return {
    http: url('http', http),
    https: url('https', https),
    mqtt: url('mqtt', mqtt),
    mqtts: url('mqtts', mqtts),
  }
}

async function readiness(name: string, ask: () => Promise<unknown>): Promise<ReadinessCheck> {
  try {
    await ask()
    return { name, ready: true }
  } catch (error) {
    return { name, ready: false, reason: (error as Error).message }
  }
}

const pairOf = ({ certificatePem, keyPem }: Certificates) => ({ certificatePem, keyPem })

function url(scheme: string, address: ListenerAddress | undefined): string | null {
  return address ? `${scheme}://${formatListener(address)}` : null
}
