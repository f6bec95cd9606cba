import type { DeviceQuery, QuarantineQuery } from '@drover/sdk/client'
import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import { client } from './client.ts'

export const sessionKey = ['session']
export const healthKey = ['health']

export const sessionQuery = queryOptions({
  queryKey: sessionKey,
  queryFn: ({ signal }) => client.session.get(signal),
  staleTime: Number.POSITIVE_INFINITY,
  gcTime: Number.POSITIVE_INFINITY,
})

export const devicesQuery = (query: DeviceQuery) =>
  queryOptions({
    queryKey: ['devices', query],
    queryFn: ({ signal }) => client.devices.list(query, signal),
    placeholderData: keepPreviousData,
    // Live events tell of connections; when a device was last seen comes from here.
    refetchInterval: 5_000,
  })

export const deviceQuery = (id: string) =>
  queryOptions({
    queryKey: ['device', id],
    queryFn: ({ signal }) => client.devices.get(id, signal),
    refetchInterval: 10_000,
  })

export const latestQuery = (id: string) =>
  queryOptions({
    queryKey: ['device', id, 'latest'],
    queryFn: ({ signal }) => client.devices.latest(id, signal),
    // What another page knew may be from before the first reading.
    staleTime: 0,
  })

export const tokensQuery = (id: string) =>
  queryOptions({
    queryKey: ['device', id, 'tokens'],
    queryFn: ({ signal }) => client.devices.tokens(id, signal),
  })

export const profilesQuery = queryOptions({
  queryKey: ['profiles'],
  queryFn: ({ signal }) => client.profiles.list({ limit: 1_000 }, signal),
})

export const profileQuery = (id: string) =>
  queryOptions({ queryKey: ['profile', id], queryFn: ({ signal }) => client.profiles.get(id, signal) })

export const quarantineQuery = (query: QuarantineQuery) =>
  queryOptions({
    queryKey: ['quarantine', query],
    queryFn: ({ signal }) => client.quarantine.list(query, signal),
    placeholderData: keepPreviousData,
  })

export const quarantineEntryQuery = (id: string) =>
  queryOptions({
    queryKey: ['quarantine', 'entry', id],
    queryFn: ({ signal }) => client.quarantine.get(id, signal),
    staleTime: Number.POSITIVE_INFINITY,
  })

/** Where devices reach the server, for commands to paste. */
export const serverQuery = queryOptions({
  queryKey: ['server'],
  queryFn: ({ signal }) => client.server(signal),
  staleTime: 60_000,
})
