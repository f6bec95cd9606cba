/** What of the list stands in the address, so that it can be shared and survives going back. */
export interface DeviceListSearch {
  readonly q?: string
  readonly profile?: string
  readonly tag?: string
  readonly state?: 'online' | 'offline' | 'suspended'
  readonly cursor?: string
}

const states = ['online', 'offline', 'suspended'] as const

export function deviceListSearch(search: Record<string, unknown>): DeviceListSearch {
  const text = (name: string) => {
    const value = search[name]
    return value === undefined || value === '' ? undefined : String(value)
  }
  return {
    q: text('q'),
    profile: text('profile'),
    tag: text('tag'),
    state: states.find((state) => state === search.state),
    cursor: text('cursor'),
  }
}
