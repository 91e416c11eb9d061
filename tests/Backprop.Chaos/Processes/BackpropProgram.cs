using System.Diagnostics;

namespace Backprop.Chaos.Processes;

/// <summary>The built program in a process of its own, as a user runs it.</summary>
internal static class BackpropProgram
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(5);

    /// <summary>The checkout: paths in run specifications are relative to it.</summary>
    public static string RepositoryRoot { get; } = FindRoot();

    /// <summary>The program that was built with the tests.</summary>
    public static string Built { get; } = Path.Combine(AppContext.BaseDirectory, "backprop.dll");

    /// <summary>Runs <c>backprop</c> to its end.</summary>
    /// <param name="environment">Variables set beside the inherited ones.</param>
    /// <param name="arguments">The command line.</param>
    /// <exception cref="TimeoutException">It did not end; it was killed.</exception>
    public static (int ExitCode, string Output, string Error) Run(
        IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        using Process process = Process.Start(Command(environment, arguments))
            ?? throw new InvalidOperationException("dotnet did not start");
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(s_limit))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException(
                $"backprop {string.Join(' ', arguments)} ran longer than {s_limit}");
        }

        return (process.ExitCode, output.GetAwaiter().GetResult(), error.GetAwaiter().GetResult());
    }

    /// <summary>How to start <c>backprop</c>, with its output to be read.</summary>
    public static ProcessStartInfo Command(
        IReadOnlyDictionary<string, string> environment, params string[] arguments) =>
        CommandOf(Built, environment, arguments);

    /// <summary>How to start a version of <c>backprop</c>, with its output to be read.</summary>
    public static ProcessStartInfo CommandOf(
        string program, IReadOnlyDictionary<string, string> environment,
        params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = RepositoryRoot,
        };
        start.ArgumentList.Add("exec");
        start.ArgumentList.Add(program);
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        // What nodes write is looked for line by line, in a container too.
        start.Environment["BACKPROP__LOG__FORMAT"] = "text";
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        return start;
    }

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "global.json")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName
            ?? throw new InvalidOperationException("this does not run within the repository");
    }
}
