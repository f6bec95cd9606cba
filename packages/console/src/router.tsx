import { isDroverError } from '@drover/protocol'
import type { QueryClient } from '@tanstack/react-query'
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router'
import { sessionQuery } from './api/queries.ts'
import { deviceSearch } from './device/search.ts'
import { deviceListSearch } from './devices/search.ts'
import { quarantineSearch } from './quarantine/search.ts'
import { Shell } from './shell/Shell.tsx'
import { NotFound } from './ui/NotFound.tsx'
import { PageFailed } from './ui/PageFailed.tsx'
import { PageLoading } from './ui/PageLoading.tsx'

const root = createRootRouteWithContext<{ queryClient: QueryClient }>()({
  component: Outlet,
  notFoundComponent: NotFound,
})

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: (search: Record<string, unknown>): { next?: string } => ({
    next: typeof search.next === 'string' && /^\/(?!\/)/.test(search.next) ? search.next : undefined,
  }),
  component: lazyRouteComponent(() => import('./sign-in/SignIn.tsx'), 'SignIn'),
})

const signedIn = createRoute({
  getParentRoute: () => root,
  id: 'signed-in',
  component: Shell,
  beforeLoad: async ({ context, location }) => {
    await context.queryClient.ensureQueryData(sessionQuery).catch((error: unknown) => {
      if (!isDroverError(error, 'unauthenticated') && !isDroverError(error, 'badCredentials')) throw error
      throw redirect({ to: '/sign-in', search: { next: location.href } })
    })
  },
})

const home = createRoute({
  getParentRoute: () => signedIn,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/devices', replace: true })
  },
})
const devices = createRoute({
  getParentRoute: () => signedIn,
  path: '/devices',
  validateSearch: deviceListSearch,
  component: lazyRouteComponent(() => import('./devices/DeviceList.tsx'), 'DeviceList'),
})
const device = createRoute({
  getParentRoute: () => signedIn,
  path: '/devices/$deviceId',
  validateSearch: deviceSearch,
  component: lazyRouteComponent(() => import('./device/DevicePage.tsx'), 'DevicePage'),
})
// Not under /devices: a device may be called "add".
const addDevice = createRoute({
  getParentRoute: () => signedIn,
  path: '/add-device',
  component: lazyRouteComponent(() => import('./add-device/AddDevice.tsx'), 'AddDevice'),
})
const profiles = createRoute({
  getParentRoute: () => signedIn,
  path: '/profiles',
  component: lazyRouteComponent(() => import('./profiles/ProfileList.tsx'), 'ProfileList'),
})
const profile = createRoute({
  getParentRoute: () => signedIn,
  path: '/profiles/$profileId',
  component: lazyRouteComponent(() => import('./profiles/EditProfile.tsx'), 'EditProfile'),
})
const addProfile = createRoute({
  getParentRoute: () => signedIn,
  path: '/add-profile',
  component: lazyRouteComponent(() => import('./profiles/AddProfile.tsx'), 'AddProfile'),
})
const quarantine = createRoute({
  getParentRoute: () => signedIn,
  path: '/quarantine',
  validateSearch: quarantineSearch,
  component: lazyRouteComponent(() => import('./quarantine/QuarantineList.tsx'), 'QuarantineList'),
})
const quarantineEntry = createRoute({
  getParentRoute: () => signedIn,
  path: '/quarantine/$entryId',
  component: lazyRouteComponent(() => import('./quarantine/QuarantineEntry.tsx'), 'QuarantineEntry'),
})

const routeTree = root.addChildren([
  signIn,
  signedIn.addChildren([
    home,
    devices,
    device,
    addDevice,
    profiles,
    profile,
    addProfile,
    quarantine,
    quarantineEntry,
  ]),
])

export function createConsoleRouter(queryClient: QueryClient) {
  return createRouter({
    routeTree,
    context: { queryClient },
    defaultPreload: 'intent',
    defaultPendingComponent: PageLoading,
    defaultErrorComponent: PageFailed,
    scrollRestoration: true,
  })
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createConsoleRouter>
  }
}
