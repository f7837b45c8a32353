# needs: soffice
# heavy: yes
export HOME="$PWD"; printf 'a,b\n1,2\n3,4\n' > table.csv
to() { soffice --headless "-env:UserInstallation=file://$PWD/profile" --convert-to "$@" > log 2>&1; echo $?; }
to ods table.csv; to 'csv:Text - txt - csv (StarCalc)' --outdir out table.ods; cat out/table.csv
rm -rf profile log .config .cache
