# needs: m4 bison flex cc bc jq
cat > calc.y <<'Y'
%{
#include <stdio.h>
int yylex(void); void yyerror(const char *s) { printf("%s\n", s); }
%}
%token NUMBER
%left '+'
%left '*'
%%
lines: | lines expr '\n' { printf("%d\n", $2); } ;
expr: NUMBER | expr '+' expr { $$ = $1 + $3; } | expr '*' expr { $$ = $1 * $3; } ;
%%
int main(void) { return yyparse(); }
Y
cat > calc.l <<'L'
%option noyywrap nounput noinput
%{
#include <stdlib.h>
#include "calc.tab.h"
%}
%%
[0-9]+ { yylval = atoi(yytext); return NUMBER; }
[ ]+ ;
.|\n return yytext[0];
L
bison -d calc.y && flex calc.l && cc -o calc calc.tab.c lex.yy.c && printf '1 + 2 * 3\n4 +\n' | ./calc; echo $?
echo 'define(`twice'\'', `$1 $1'\'')twice(`word'\'') syscmd(echo from a shell) sysval' | m4
echo '2 ^ 200; scale = 20; 4 * a(1)' | bc -l; printf '{"a": [1, 2, {"b": "c"}]}' | jq -c '.a[2].b, (.a | length)'
echo 'broken' | jq . > /dev/null 2>&1; echo $?
