import { AppShell, Box, Burger, Group, NavLink, Stack, Text, UnstyledButton } from '@mantine/core'
import { useDisclosure, useHotkeys } from '@mantine/hooks'
import {
  IconAlertTriangle,
  IconBook2,
  IconCpu,
  IconLogout,
  IconRulerMeasure,
  type TablerIcon,
} from '@tabler/icons-react'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link, Outlet, useNavigate } from '@tanstack/react-router'
import { client } from '../api/client.ts'
import { notifyFailure } from '../ui/failure.ts'
import { MenuLink } from '../ui/links.tsx'
import { ColorScheme } from './ColorScheme.tsx'
import { Logo } from './Logo.tsx'
import { ServerAway } from './ServerAway.tsx'
import classes from './Shell.module.css'

const places: readonly { to: '/devices' | '/profiles' | '/quarantine'; label: string; icon: TablerIcon }[] = [
  { to: '/devices', label: 'Devices', icon: IconCpu },
  { to: '/profiles', label: 'Profiles', icon: IconRulerMeasure },
  { to: '/quarantine', label: 'Quarantine', icon: IconAlertTriangle },
]

/** The frame of all pages but the sign-in: navigation at the left, or behind a button on a narrow screen. */
export function Shell() {
  const [opened, { toggle, close }] = useDisclosure(false)
  const navigate = useNavigate()
  useHotkeys([['n', () => void navigate({ to: '/add-device' })]])
  return (
    <AppShell
      header={{ height: { base: 52, sm: 0 } }}
      navbar={{ width: 220, breakpoint: 'sm', collapsed: { mobile: !opened } }}
      padding={{ base: 'md', sm: 'xl' }}
    >
      <a href="#main" className={classes.skip}>
        Skip to the content
      </a>
      <AppShell.Header hiddenFrom="sm">
        <Group h="100%" px="md" justify="space-between">
          <Brand />
          <Burger
            opened={opened}
            onClick={toggle}
            size="sm"
            aria-label={opened ? 'Close menu' : 'Open menu'}
          />
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="sm" onClick={close} aria-label="Main">
        <Box visibleFrom="sm" px="xs" pt="xs" pb="lg">
          <Brand />
        </Box>
        <Stack gap={2} flex={1}>
          {places.map(({ to, label, icon: Icon }) => (
            <MenuLink
              key={to}
              to={to}
              label={label}
              leftSection={<Icon size={18} stroke={1.6} />}
              className={classes.place}
              activeProps={{ active: true, 'aria-current': 'page' }}
            />
          ))}
        </Stack>
        <Foot />
      </AppShell.Navbar>
      <AppShell.Main id="main" tabIndex={-1} className={classes.main}>
        <Box maw={1280} mx="auto">
          <Outlet />
        </Box>
      </AppShell.Main>
      <ServerAway />
    </AppShell>
  )
}

function Brand() {
  return (
    <UnstyledButton
      renderRoot={(props) => <Link to="/devices" {...props} />}
      aria-label="Drover, to the devices"
    >
      <Group gap={10} wrap="nowrap">
        <Logo />
        <Text fw={650} size="lg" lts="-0.01em">
          Drover
        </Text>
      </Group>
    </UnstyledButton>
  )
}

function Foot() {
  const navigate = useNavigate()
  const queryClient = useQueryClient()
  const signOut = useMutation({
    mutationFn: () => client.session.delete(),
    onSuccess: async () => {
      queryClient.clear()
      await navigate({ to: '/sign-in' })
    },
    onError: notifyFailure,
  })
  return (
    <Stack gap={2}>
      <NavLink
        href="/docs"
        target="_blank"
        label="API reference"
        leftSection={<IconBook2 size={18} stroke={1.6} />}
        className={classes.place}
      />
      <NavLink
        component="button"
        onClick={() => signOut.mutate()}
        label="Sign out"
        leftSection={<IconLogout size={18} stroke={1.6} />}
        className={classes.place}
      />
      <Box mt="xs" onClick={(event) => event.stopPropagation()}>
        <ColorScheme />
      </Box>
    </Stack>
  )
}
