using System.Globalization;
using Akka.Actor;
using Akka.Configuration;
using Akka.Event;

namespace Backprop.Distributed.Cluster;

/// <summary>Writes a node's log to the standard output, a line an event: time, level, what. Akka's
/// own news are left out, its warnings mostly not.</summary>
public sealed class NodeLog : UntypedActor
{
    /// <summary>To be put before Akka's defaults.</summary>
    public static Config Config { get; } = ConfigurationFactory.ParseString($$"""
        akka {
          loglevel = INFO
          stdout-loglevel = OFF
          loggers = ["{{typeof(NodeLog).FullName}}, {{typeof(NodeLog).Assembly.GetName().Name}}"]
          log-dead-letters = off
          log-dead-letters-during-shutdown = off
        }
        """);

    /// <inheritdoc/>
    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case InitializeLogger:
                Sender.Tell(new LoggerInitialized());
                break;
            case LogEvent log when IsNews(log):
                string cause = log.Cause is { } failure ? $" ({failure.Message})" : "";
                string text = $"{log.Message}{cause}".ReplaceLineEndings(" ");
                Console.Out.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{log.Timestamp.ToLocalTime():HH:mm:ss} {NameOf(log)} {text}"));
                Console.Out.Flush();
                break;
        }
    }

    // Remoting and the proxy warn of every node that is gone, again and again; the membership says
    // it once.
    private static bool IsNews(LogEvent log)
    {
        string source = log.LogClass?.Namespace ?? "";
        LogLevel least = Is(source, "Akka.Remote") || Is(source, "Akka.Cluster.Tools")
            ? LogLevel.ErrorLevel
            : Is(source, nameof(Akka)) ? LogLevel.WarningLevel
            : LogLevel.InfoLevel;
        return log.LogLevel() >= least;
    }

    private static bool Is(string source, string space) =>
        source.StartsWith(space, StringComparison.Ordinal);

    private static string NameOf(LogEvent log) => log.LogLevel() switch
    {
        LogLevel.ErrorLevel => "ERROR",
        LogLevel.WarningLevel => "WARN ",
        _ => "INFO ",
    };
}
