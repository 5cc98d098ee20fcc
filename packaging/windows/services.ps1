# The two services for the Service Control Manager, as `daemoneye-cli service install` would create them. Not tried on
# Windows: the daemons are not ported, and do not answer the Service Control Manager yet.
#
#   .\services.ps1 install|uninstall|start|stop|status|logs
param([Parameter(Mandatory)][ValidateSet('install', 'uninstall', 'start', 'stop', 'status', 'logs')][string]$Action)
$ErrorActionPreference = 'Stop'
$programs = Join-Path $env:ProgramFiles 'DaemonEye'
# The collector first; the agent would raise an alert about one that is gone.
$services = 'procmond', 'daemoneye-agent'

switch ($Action) {
  'install' {
    foreach ($name in $services) {
      New-Service -Name $name -BinaryPathName "`"$programs\$name.exe`"" -StartupType Automatic -DisplayName "DaemonEye $name"
      # An account of its own, without rights on other machines; restarted a second after it failed.
      sc.exe config $name obj= "NT SERVICE\$name"
      sc.exe failure $name reset= 86400 actions= restart/1000
      sc.exe sidtype $name restricted
      Start-Service $name
    }
  }
  'uninstall' {
    foreach ($name in $services[1, 0]) {
      Stop-Service $name
      sc.exe delete $name
    }
  }
  'start' { foreach ($name in $services) { Start-Service $name } }
  'stop' { foreach ($name in $services[1, 0]) { Stop-Service $name } }
  'status' { Get-Service $services | Format-Table Name, Status, StartType }
  'logs' { Get-WinEvent -ProviderName DaemonEye -MaxEvents 50 }
}
