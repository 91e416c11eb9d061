using System.CommandLine.Completions;
using Backprop.Console.Client;
using Backprop.Distributed.Coordination;

namespace Backprop.Console.Commands;

/// <summary>The names of a cluster's runs, for completion in a shell: quick, or none.</summary>
internal static class RunNames
{
    private const int MostNames = 100;

    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(500);

    /// <summary>The names, newest first.</summary>
    public static IEnumerable<string> Complete(
        CompletionContext context, CommandEnvironment environment)
    {
        // Help asks for an argument's values as well, and may not wait for them.
        if (context is not TextCompletionContext)
        {
            return [];
        }

        using var limit = new CancellationTokenSource(s_patience);
        try
        {
            using ApiClient api = ClientOptions.Connect(context.ParseResult, environment);
            RunSummaryView[] runs = api.RunsAsync(limit.Token).GetAwaiter().GetResult();
            return [.. runs.Take(MostNames).Select(run => run.Id.Value), "latest"];
        }
        catch (Exception failure)
            when (failure is IOException or MistakeException or OperationCanceledException)
        {
            // Who presses Tab wants no message in the middle of a line.
            return [];
        }
    }
}
