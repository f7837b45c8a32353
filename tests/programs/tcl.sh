# needs: tclsh
cat > main.tcl <<'TCL'
fconfigure stdout -buffering line
puts [exec echo sub | tr a-z A-Z]
catch { exec sh -c "exit 3" } message options; puts [lindex [dict get $options -errorcode] 2]
set server [socket -server accept -myaddr 127.0.0.1 0]
proc accept {channel host port} { fconfigure $channel -buffering line; puts $channel "served"; close $channel }
set client [socket 127.0.0.1 [lindex [fconfigure $server -sockname] 2]]
fileevent $client readable { gets $client line; puts $line; set done 1 }
vwait done
after 50 { puts "after"; set done 2 }; vwait done
set pipe [open "|cat" r+]; fconfigure $pipe -buffering line; puts $pipe "to cat"; puts [gets $pipe]; close $pipe
puts [llength [glob /usr/include/linux/t*.h]]
exit 4
TCL
exec tclsh main.tcl
