using System.CommandLine;
using Backprop.Console.Rendering;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Persistence;

namespace Backprop.Console.Commands;

/// <summary><c>backprop state</c>: works on the state database itself, while no node does.
/// </summary>
internal static class StateCommand
{
    private static readonly string[] s_head = ["table", "rows", "MiB", "sha-256"];

    public static Command Create(CommandEnvironment environment) =>
        new("state", "Move a cluster's state from one database to another") { Copy(environment) };

    private static Command Copy(CommandEnvironment environment)
    {
        var from = new Option<string?>("--from")
        {
            Description = "A directory with a state in SQLite, which is copied into the"
                + " configured database",
            HelpName = "DIR",
        };
        var to = new Option<string?>("--to")
        {
            Description = "A directory that the state of the configured database is copied into,"
                + " in SQLite",
            HelpName = "DIR",
        };
        Option<string?> configuration = SharedOptions.Configuration();
        var command = new Command(
            "copy", "Copy a cluster's state, all or nothing, into a database that is empty")
        {
            from, to, configuration,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(from) is null == result.GetValue(to) is null)
            {
                result.AddError("either --from or --to is to be given: where the state is, or"
                    + " where it is to be, in SQLite; the other is the configured database");
            }
        });
        command.SetAction(result => CopyAsync(
            result.GetValue(from), result.GetValue(to),
            SharedOptions.ReadNode(result.GetValue(configuration), threads: null, environment),
            environment.For(result)).GetAwaiter().GetResult());
        return command;
    }

    private static async Task<int> CopyAsync(
        string? from, string? to, NodeConfiguration node, CommandEnvironment environment)
    {
        if (from is not null && !Directory.Exists(from))
        {
            throw new MistakeException($"there is no directory '{from}'");
        }

        using Interruption interruption = environment.ListenForInterruption();
        PersistenceOptions configured = node.State.Options;
        StateCopied copied = await StateCopy.CopyAsync(
            from is null ? configured : new PersistenceOptions.Sqlite(from),
            to is null ? configured : new PersistenceOptions.Sqlite(to),
            node.State.OpeningPatience, interruption.Token);
        environment.Answer(copied,
        [
            $"the state of cluster {copied.Cluster} is copied; read back, it is the same:",
            .. TextTable.Write(s_head, [.. copied.Tables.Select(Row)], environment.Width),
        ]);
        return ExitCode.Done;
    }

    private static string[] Row(TableContent table) =>
    [
        table.Name, NumberText.Count(table.Rows), NumberText.Count(table.Bytes >> 20),
        table.Sha256[..8] + "…",
    ];
}
