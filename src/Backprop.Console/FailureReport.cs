using Backprop.Data;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Persistence;
using Backprop.Distributed.Security;
using Backprop.Engine.Plugins;
using Backprop.Models;
using Backprop.Training.Checkpoints;
using Backprop.Training.Digests;
using Backprop.Training.Specification;

namespace Backprop.Console;

/// <summary>Turns what was thrown into what a user can act on: one message, no stack trace.
/// </summary>
internal static class FailureReport
{
    /// <summary>Writes the message, and returns the program's exit code.</summary>
    public static int Write(Exception failure, TextWriter error)
    {
        (int exitCode, string message) = Describe(failure);
        error.WriteLine($"backprop: {message}");
        return exitCode;
    }

    private static (int ExitCode, string Message) Describe(Exception failure) => failure switch
    {
        SpecificationException { Errors: var errors } => (ExitCode.Mistake, errors.Length == 1
            ? errors[0].ToString()
            : List("the specification has " + errors.Length + " mistakes:", errors)),
        NodeConfigurationException { Mistakes: var mistakes } => (ExitCode.Mistake,
            mistakes.Length == 1
                ? mistakes[0]
                : List("the node's configuration has " + mistakes.Length + " mistakes:", mistakes)),
        MistakeException or ModelException or LayerPluginException or InvalidDatasetException
            or CertificateException =>
            (ExitCode.Mistake, failure.Message),
        CheckpointException or StateDatabaseException or DigestException =>
            (ExitCode.Failure, failure.Message),
        FileNotFoundException { FileName: string file } =>
            (ExitCode.Mistake, $"there is no file '{file}'"),
        DirectoryNotFoundException => (ExitCode.Mistake, failure.Message),
        IOException or UnauthorizedAccessException => (ExitCode.Failure, failure.Message),
        OutOfMemoryException => (ExitCode.Failure,
            $"out of memory: {failure.Message} A smaller batch-size needs less"),
        _ => (ExitCode.Failure,
            $"unexpected {failure.GetType().Name}: {failure.Message} (a mistake of the program's;"
            + " please report it, with the command and the file)"),
    };

    private static string List<T>(string title, IEnumerable<T> mistakes) =>
        string.Join(Environment.NewLine, mistakes.Select(mistake => $"  {mistake}").Prepend(title));
}
