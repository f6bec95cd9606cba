/** A drover's crook, and three of the herd. */
export function Logo({ size = 28 }: { size?: number }) {
  return (
    <svg viewBox="0 0 32 32" width={size} height={size} aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" fill="var(--mantine-color-drover-8)" />
      <path
        d="M11 26V12a5.5 5.5 0 0 1 11 0v1.5"
        fill="none"
        stroke="#fff"
        strokeWidth="3"
        strokeLinecap="round"
      />
      <g fill="#fff">
        <circle cx="22" cy="19" r="1.9" />
        <circle cx="17" cy="24" r="1.9" opacity=".85" />
        <circle cx="24" cy="25" r="1.9" opacity=".7" />
      </g>
    </svg>
  )
}
