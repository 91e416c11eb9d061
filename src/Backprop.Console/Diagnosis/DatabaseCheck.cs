using System.Globalization;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Persistence;

namespace Backprop.Console.Diagnosis;

/// <summary>Looks at the state database.</summary>
internal static class DatabaseCheck
{
    private const string Check = "database";

    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_mostSkew = TimeSpan.FromSeconds(2);

    public static async Task<IEnumerable<Finding>> ExamineAsync(
        NodeConfiguration node, CancellationToken cancellation)
    {
        StateExamination found = await StateExamination.OfAsync(
            node.State.Options, s_limit, cancellation);
        var findings = new List<Finding>
        {
            found.Refusal is { } refusal
                ? Finding.Problem(Check, refusal, AdviceFor(node.State.Options))
                : Finding.Ok(Check, found.Text),
        };
        if (found.Cluster is { } owner && owner != node.Cluster.Name)
        {
            findings.Add(Finding.Problem(
                Check, $"it belongs to cluster '{owner}', and this node is of"
                + $" '{node.Cluster.Name}'",
                "set backprop.cluster.name to that, or use another database"));
        }

        if (found.Skew is { } skew)
        {
            string seconds = string.Create(
                CultureInfo.InvariantCulture, $"{skew.Duration().TotalSeconds:0.0} s");
            findings.Add(skew.Duration() > s_mostSkew
                ? Finding.Warning(
                    "time of day",
                    $"{seconds} {(skew < TimeSpan.Zero ? "behind" : "ahead of")} the database's",
                    "run a time service on both: what is shown of runs has times of both")
                : Finding.Ok("time of day", $"within {seconds} of the database's"));
        }

        return findings;
    }

    private static string AdviceFor(PersistenceOptions options) =>
        options is PersistenceOptions.Sqlite
            ? "set backprop.persistence.directory to another directory, or make this one right"
            : "start the database, or correct backprop.persistence.connection-string and"
                + " backprop.persistence.schema; the user has to own the schema, or to be allowed"
                + " to make it";
}
