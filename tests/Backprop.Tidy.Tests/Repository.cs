using System.Diagnostics;

namespace Backprop.Tidy.Tests;

/// <summary>The checkout that the tests were built from.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    /// <summary>Every file that git tracks or would track, relative to the root.</summary>
    public static IReadOnlyList<string> Files { get; } = ListFiles();

    public static IEnumerable<string> FilesEnding(params string[] endings) =>
        Files.Where(file => endings.Any(file.EndsWith));

    public static string Read(string file) => File.ReadAllText(Path.Combine(Root, file));

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null;
            folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Backprop.Distributed.sln")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException(
            $"no Backprop.Distributed.sln above {AppContext.BaseDirectory}");
    }

    private static IReadOnlyList<string> ListFiles()
    {
        var start = new ProcessStartInfo("git", "ls-files --cached --others --exclude-standard")
        {
            WorkingDirectory = Root,
            RedirectStandardOutput = true,
        };
        using Process git = Process.Start(start)
            ?? throw new InvalidOperationException("git did not start");
        string listing = git.StandardOutput.ReadToEnd();
        git.WaitForExit();
        if (git.ExitCode != 0)
        {
            throw new InvalidOperationException($"git ls-files failed with {git.ExitCode}");
        }

        return
        [
            .. listing.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Where(file => File.Exists(Path.Combine(Root, file)))
                .Order(StringComparer.Ordinal),
        ];
    }
}
