namespace Backprop.Console.Completion;

/// <summary>Scripts that have a shell ask the program how a line may go on. Each hands it the line
/// without the program's name, and as far as the cursor.</summary>
internal static class CompletionScripts
{
    /// <summary>The scripts, by the shell's name.</summary>
    public static IReadOnlyDictionary<string, string> ByShell { get; } =
        new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["bash"] = Bash, ["fish"] = Fish, ["pwsh"] = PowerShell, ["zsh"] = Zsh,
        };

    private const string Bash = """
        # Completion of backprop in bash. In ~/.bashrc: eval "$(backprop completion bash)"
        _backprop() {
            local IFS=$'\n' line="${COMP_LINE:0:COMP_POINT}"
            line="${line#*"${COMP_WORDS[0]}"}"
            line="${line# }"
            COMPREPLY=($(compgen -W \
                "$("${COMP_WORDS[0]}" "[suggest:${#line}]" "$line" 2>/dev/null)" \
                -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o bashdefault -o default -F _backprop backprop
        """;

    private const string Zsh = """
        #compdef backprop
        # Completion of backprop in zsh. In ~/.zshrc, after compinit:
        # source <(backprop completion zsh)
        _backprop() {
            local line="${(j: :)words[2,CURRENT]}"
            local -a found
            found=("${(@f)$("${words[1]}" "[suggest:${#line}]" "$line" 2>/dev/null)}")
            found=("${(@)found:#}")
            if (( ${#found} )); then compadd -a found; else _files; fi
        }
        compdef _backprop backprop
        """;

    private const string Fish = """
        # Completion of backprop in fish: backprop completion fish | source
        function __backprop_complete
            set -l words (commandline -opc)
            set -l program $words[1]
            set -e words[1]
            set -l line (string join ' ' -- $words (commandline -ct))
            command $program "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null
        end
        complete -c backprop -a '(__backprop_complete)'
        """;

    private const string PowerShell = """
        # Completion of backprop in PowerShell. In $PROFILE:
        # backprop completion pwsh | Out-String | Invoke-Expression
        Register-ArgumentCompleter -Native -CommandName backprop -ScriptBlock {
            param($word, $tree, $cursor)
            $all = $tree.ToString()
            $typed = if ($cursor -gt $all.Length) { "$all " } else { $all.Substring(0, $cursor) }
            $line = $typed -replace '^\s*\S+\s?', ''
            & $tree.CommandElements[0].Extent.Text "[suggest:$($line.Length)]" $line 2>$null |
                ForEach-Object {
                    [System.Management.Automation.CompletionResult]::new(
                        $_, $_, 'ParameterValue', $_)
                }
        }
        """;
}
